-- Share of the input tokens that came from a cache, by model.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(minute) AS time, model, sum(tokens_cached) / sum(tokens_prompt) AS cached
{{ d.cost_minute() }}
GROUP BY time, model
HAVING sum(tokens_prompt) > 0
ORDER BY time, model

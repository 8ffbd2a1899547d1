-- Tokens a minute by direction.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    $__timeInterval(minute) AS time,
    sum(tokens_prompt) / ($__interval_s / 60) AS input,
    sum(tokens_completion) / ($__interval_s / 60) AS output
{{ d.cost_minute() }}
GROUP BY time
ORDER BY time

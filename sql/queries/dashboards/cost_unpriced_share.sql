-- Share of the model calls that nobody could price, over time.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(minute) AS time, sum(unpriced_calls) / sum(calls) AS unpriced
{{ d.cost_minute() }}
GROUP BY time
ORDER BY time

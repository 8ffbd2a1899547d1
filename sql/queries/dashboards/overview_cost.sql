-- Booked cost a minute by model.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(minute) AS time, model, toFloat64(sum(cost_usd)) / ($__interval_s / 60) AS usd
{{ d.cost_minute() }}
GROUP BY time, model
ORDER BY time, model

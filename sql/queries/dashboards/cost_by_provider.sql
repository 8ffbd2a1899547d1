-- Booked cost a minute by provider.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(minute) AS time, provider AS provider, toFloat64(sum(cost_usd)) / ($__interval_s / 60) AS usd
{{ d.cost_minute() }}
GROUP BY time, provider
ORDER BY time, provider

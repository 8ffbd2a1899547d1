-- Booked cost a minute by provider; nothing where no call had a price.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(minute) AS time, provider AS provider, {{ d.sum_usd() }} / ($__interval_s / 60) AS usd
{{ d.cost_minute() }}
GROUP BY time, provider
ORDER BY time, provider

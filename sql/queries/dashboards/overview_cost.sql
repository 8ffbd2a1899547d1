-- Booked cost a minute by model; nothing where no call had a price.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(minute) AS time, model, {{ d.sum_usd() }} / ($__interval_s / 60) AS usd
{{ d.cost_minute() }}
GROUP BY time, model
ORDER BY time, model

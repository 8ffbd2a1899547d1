-- Booked cost a minute by tenant; nothing where no call had a price.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(minute) AS time, tenant_id AS tenant, {{ d.sum_usd() }} / ($__interval_s / 60) AS usd
{{ d.cost_minute() }}
GROUP BY time, tenant
ORDER BY time, tenant

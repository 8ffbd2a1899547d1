-- Booked cost a minute by tenant.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(minute) AS time, tenant_id AS tenant, toFloat64(sum(cost_usd)) / ($__interval_s / 60) AS usd
{{ d.cost_minute() }}
GROUP BY time, tenant
ORDER BY time, tenant

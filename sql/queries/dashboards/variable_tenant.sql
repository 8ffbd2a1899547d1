-- The tenants that sent something in the time range, among what the variables before it chose.
{% import 'macros/dashboards.sql' as d with context %}
SELECT DISTINCT tenant_id
FROM telemetry.spans_minute
WHERE $__timeFilter(minute) AND tenant_id != ''{{ d.chosen(['environment']) }}
ORDER BY tenant_id
LIMIT 1000

-- The workflows that sent something in the time range, among what the variables before it chose.
{% import 'macros/dashboards.sql' as d with context %}
SELECT DISTINCT workflow_id
FROM telemetry.cost_minute
WHERE $__timeFilter(minute) AND workflow_id != ''{{ d.chosen(['environment', 'tenant', 'service', 'agent']) }}
ORDER BY workflow_id
LIMIT 1000

-- The models that sent something in the time range, among what the variables before it chose.
{% import 'macros/dashboards.sql' as d with context %}
SELECT DISTINCT model
FROM telemetry.cost_minute
WHERE $__timeFilter(minute) AND model != ''{{ d.chosen(['environment', 'tenant', 'service', 'agent']) }}
ORDER BY model
LIMIT 1000

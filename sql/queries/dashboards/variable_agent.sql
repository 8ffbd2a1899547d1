-- The agents that sent something in the time range, among what the variables before it chose.
{% import 'macros/dashboards.sql' as d with context %}
SELECT DISTINCT agent_name
FROM telemetry.spans_minute
WHERE $__timeFilter(minute) AND agent_name != ''{{ d.chosen(['environment', 'tenant', 'service']) }}
ORDER BY agent_name
LIMIT 1000

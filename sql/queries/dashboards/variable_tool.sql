-- The tools that sent something in the time range, among what the variables before it chose.
{% import 'macros/dashboards.sql' as d with context %}
SELECT DISTINCT tool_name
FROM telemetry.tools_minute
WHERE $__timeFilter(minute) AND tool_name != ''{{ d.chosen(['environment', 'tenant', 'agent']) }}
ORDER BY tool_name
LIMIT 1000

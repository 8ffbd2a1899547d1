-- The services that sent something in the time range, among what the variables before it chose.
{% import 'macros/dashboards.sql' as d with context %}
SELECT DISTINCT service_name
FROM telemetry.spans_minute
WHERE $__timeFilter(minute) AND service_name != ''{{ d.chosen(['environment', 'tenant']) }}
ORDER BY service_name
LIMIT 1000

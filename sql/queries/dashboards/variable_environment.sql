-- The environments that sent something in the time range.
{% import 'macros/dashboards.sql' as d with context %}
SELECT DISTINCT env
FROM telemetry.spans_minute
WHERE $__timeFilter(minute) AND env != ''{{ d.chosen([]) }}
ORDER BY env
LIMIT 1000

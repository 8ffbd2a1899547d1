-- From a span's end at its agent to a stored row, in seconds. A replay shows as what it is: late.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    $__timeInterval(ingest_ts) AS time,
    quantile(0.5)(dateDiff('millisecond', end_ts, ingest_ts)) / 1000 AS p50,
    quantile(0.95)(dateDiff('millisecond', end_ts, ingest_ts)) / 1000 AS p95
FROM telemetry.spans_raw
WHERE $__timeFilter(ingest_ts) AND start_ts >= $__fromTime - INTERVAL 2 DAY AND start_ts <= $__toTime + INTERVAL 1 HOUR
    {{- d.chosen(['environment', 'tenant']) }}
GROUP BY time
ORDER BY time

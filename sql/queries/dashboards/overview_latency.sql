-- Latency of all spans, in milliseconds.
WITH quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(latency_ms) AS latency
SELECT
    $__timeInterval(minute) AS time,
    latency[1] AS p50, latency[2] AS p90, latency[3] AS p95, latency[4] AS p99
FROM telemetry.spans_minute
WHERE $__timeFilter(minute) AND tenant_id IN (${tenant:singlequote}) AND env IN (${env:singlequote})
GROUP BY time
ORDER BY time

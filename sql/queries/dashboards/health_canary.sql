-- Seconds until ClickHouse returned the canary trace.
SELECT $__timeInterval(at) AS time, max(value) AS seconds
FROM telemetry.worker_results
WHERE step = 'canary' AND ok AND $__timeFilter(at)
GROUP BY time
ORDER BY time

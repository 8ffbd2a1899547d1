-- What the newest canary trace took until ClickHouse returned it.
SELECT argMax(value, at) AS seconds
FROM telemetry.worker_results
WHERE step = 'canary' AND ok AND $__timeFilter(at)
HAVING count() > 0

-- Minutes computed anew after a re-delivery.
SELECT $__timeInterval(at) AS time, sum(value) AS minutes
FROM telemetry.worker_results
WHERE step = 'recompute' AND ok AND $__timeFilter(at)
GROUP BY time
ORDER BY time

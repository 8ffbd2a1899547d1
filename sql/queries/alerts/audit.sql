-- Differences that the newest audit found between what arrived and what is stored, beyond what it put right.
SELECT toFloat64(argMax(value, at)) AS value
FROM telemetry.worker_results
WHERE step = 'audit' AND at > $__toTime - INTERVAL 1 HOUR AND at <= $__toTime
HAVING count() > 0

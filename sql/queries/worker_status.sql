-- The newest result of each of the worker's steps.
SELECT
    step,
    argMax(ok, at) AS ok,
    argMax(value, at) AS value,
    dateDiff('second', max(at), now64(3)) AS seconds_ago
FROM telemetry.worker_results
WHERE at > now() - INTERVAL 1 DAY
GROUP BY step
ORDER BY step

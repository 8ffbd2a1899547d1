-- The newest result of each of the worker's steps.
SELECT
    step,
    if(argMax(ok, at), 'ok', 'failed') AS result,
    argMax(value, at) AS figure,
    dateDiff('second', max(at), now64(3)) AS seconds_ago,
    countIf(NOT ok) AS failed_today
FROM telemetry.worker_results
WHERE at > now() - INTERVAL 1 DAY
GROUP BY step
ORDER BY step

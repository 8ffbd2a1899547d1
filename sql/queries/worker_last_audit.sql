-- The newest audit that the worker recorded in the last day, with its rows as JSON.
SELECT
    ok,
    detail_json,
    dateDiff('second', at, now64(3)) AS seconds_ago
FROM telemetry.worker_results
WHERE step = 'audit' AND at > now() - INTERVAL 1 DAY
ORDER BY at DESC
LIMIT 1

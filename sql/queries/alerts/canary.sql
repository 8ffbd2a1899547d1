-- Seconds since the canary trace last came through; if it never did, since the tables were made.
SELECT toFloat64(dateDiff('second', if(came = toDateTime64(0, 3, 'UTC'), made, came), $__toTime)) AS value
FROM
(
    SELECT maxIf(at, ok) AS came
    FROM telemetry.worker_results
    WHERE step = 'canary' AND at <= $__toTime
) AS canary
CROSS JOIN
(
    SELECT toDateTime64(min(metadata_modification_time), 3, 'UTC') AS made
    FROM system.tables
    WHERE database = 'telemetry'
) AS tables

-- From Kafka to a stored row, in seconds, by when it arrived.
SELECT
    $__timeInterval(ingest_ts) AS time,
    quantile(0.5)(dateDiff('millisecond', message_ts, ingest_ts)) / 1000 AS p50,
    quantile(0.95)(dateDiff('millisecond', message_ts, ingest_ts)) / 1000 AS p95,
    max(dateDiff('millisecond', message_ts, ingest_ts)) / 1000 AS longest
FROM telemetry.ingest_ledger
WHERE $__timeFilter(ingest_ts)
GROUP BY time
ORDER BY time

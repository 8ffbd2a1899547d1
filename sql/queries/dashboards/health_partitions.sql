-- How far each partition has been read, and how old its newest message was when it was.
SELECT
    topic,
    partition,
    max(offset) AS newest_offset,
    dateDiff('millisecond', argMax(message_ts, offset), argMax(ingest_ts, offset)) / 1000 AS behind,
    dateDiff('second', max(ingest_ts), now64(3)) AS seconds_ago
FROM telemetry.ingest_ledger
WHERE $__timeFilter(ingest_ts)
GROUP BY topic, partition
ORDER BY behind DESC
LIMIT 200

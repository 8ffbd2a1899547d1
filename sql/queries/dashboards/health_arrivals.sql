-- Spans and log records that arrive a second, by topic.
SELECT $__timeInterval(ingest_ts) AS time, topic, sum(spans) / $__interval_s AS records
FROM telemetry.ingest_ledger
WHERE $__timeFilter(ingest_ts)
GROUP BY time, topic
ORDER BY time, topic

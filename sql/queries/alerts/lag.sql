-- Seconds from Kafka to a row, 95 of 100 messages, by topic and partition.
SELECT topic, toString(partition) AS partition, quantile(0.95)(dateDiff('millisecond', message_ts, ingest_ts)) / 1000 AS value
FROM telemetry.ingest_ledger
WHERE ingest_ts > $__toTime - INTERVAL {{ rule.window_minutes }} MINUTE AND ingest_ts <= $__toTime
GROUP BY topic, partition
ORDER BY value DESC, topic, partition
LIMIT 100

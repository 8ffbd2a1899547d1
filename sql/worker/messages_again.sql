-- The messages that arrived again in [since, until), by the ledger. Included by messages_twice.sql and any_message_twice.sql.
SELECT topic, partition, offset
FROM telemetry.ingest_ledger
WHERE (topic, partition, offset) IN
(
    SELECT topic, partition, offset
    FROM telemetry.ingest_ledger
    WHERE ingest_ts >= fromUnixTimestamp64Milli({{ since }}) AND ingest_ts < fromUnixTimestamp64Milli({{ until }})
)
GROUP BY topic, partition, offset
HAVING count() > 1

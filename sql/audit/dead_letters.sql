-- Messages that the ledger marks as unreadable, and those that are kept as dead letters.
SELECT
(
    SELECT uniqExact(topic, partition, offset)
    FROM telemetry.ingest_ledger
    WHERE is_dead_letter AND ingest_ts >= fromUnixTimestamp64Milli({{ since }})
),
(
    SELECT uniqExact(topic, partition, offset)
    FROM telemetry.dead_letters
    WHERE ingest_ts >= fromUnixTimestamp64Milli({{ since }})
)

-- Messages that the ledger marks as unreadable, and those that are kept as dead letters: of the time for which dead
-- letters are kept, less an hour, because they expire at no exact moment.
WITH
(
    SELECT toUInt32OrZero(extract(create_table_query, 'TTL .*toIntervalDay\\((\\d+)\\)'))
    FROM system.tables
    WHERE database = 'telemetry' AND name = 'dead_letters'
) AS days,
if(days = 0, toDateTime(0, 'UTC'), now('UTC') - toIntervalDay(days) + toIntervalHour(1)) AS oldest
SELECT
(
    SELECT uniqExact(topic, partition, offset)
    FROM telemetry.ingest_ledger
    WHERE is_dead_letter AND ingest_ts >= fromUnixTimestamp64Milli({{ since }}) AND message_ts >= oldest
),
(
    SELECT uniqExact(topic, partition, offset)
    FROM telemetry.dead_letters
    WHERE ingest_ts >= fromUnixTimestamp64Milli({{ since }}) AND message_ts >= oldest
)

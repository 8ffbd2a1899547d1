-- From where on a partition's offsets are compared with the ledger: the first one that arrived since the given time,
-- else the last one known; the oldest that Kafka still has when the ledger knows none.
SELECT
    count() = 0 AS unknown,
    if(countIf(ingest_ts >= fromUnixTimestamp64Milli({{ since }})) > 0,
        minIf(offset, ingest_ts >= fromUnixTimestamp64Milli({{ since }})), max(offset)) AS start
FROM telemetry.ingest_ledger
WHERE topic = {{ topic | sql_string }} AND partition = {{ partition }}

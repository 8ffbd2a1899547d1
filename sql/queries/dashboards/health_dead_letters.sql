-- The newest messages that could not be parsed: where they lie, why, and their raw text.
SELECT ingest_ts AS arrived, topic, partition, offset, error, toValidUTF8(substring(raw, 1, 2000)) AS raw_text, length(raw) AS bytes
FROM telemetry.dead_letters
WHERE $__timeFilter(ingest_ts)
ORDER BY arrived DESC
LIMIT 1 BY topic, partition, offset
LIMIT 100

-- Seconds since anything arrived, whatever the time range.
SELECT dateDiff('second', max(ingest_ts), now64(3)) AS seconds
FROM telemetry.ingest_ledger
WHERE ingest_ts > now() - INTERVAL 1 DAY
HAVING count() > 0

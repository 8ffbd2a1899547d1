-- Tenants' minutes that got a log record since the given time, with how many records: those from `first` on, which log_keys
-- still knows whole.
SELECT tenant_id, toUnixTimestamp(minute) AS at, count() AS rows
FROM telemetry.log_keys
WHERE minute >= toDateTime({{ first }}, 'UTC')
    AND minute IN (SELECT minute FROM telemetry.log_keys WHERE ingest_ts >= fromUnixTimestamp64Milli({{ since }}))
GROUP BY tenant_id, at
HAVING max(ingest_ts) >= fromUnixTimestamp64Milli({{ since }})

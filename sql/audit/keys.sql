-- Keys to compare: those that got a row since the given time, and those of that time's minutes that readers see or
-- that raw has.
SELECT tenant_id, toUnixTimestamp(minute) AS at
FROM telemetry.span_keys
WHERE ingest_ts >= fromUnixTimestamp64Milli({{ since }})
GROUP BY tenant_id, at
UNION DISTINCT
SELECT tenant_id, toUnixTimestamp(minute) AS at
FROM telemetry.spans_minute
WHERE minute >= toDateTime({{ first }}, 'UTC')
GROUP BY tenant_id, at
UNION DISTINCT
SELECT tenant_id, toUnixTimestamp(toStartOfMinute(start_ts)) AS at
FROM telemetry.spans_raw
WHERE start_ts >= toDateTime64({{ first }}, 9, 'UTC')
GROUP BY tenant_id, at

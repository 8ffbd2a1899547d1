-- How many rows of each key have arrived in all, and when the last one did.
SELECT tenant_id, toUnixTimestamp(minute), count() AS rows, toUnixTimestamp64Milli(max(ingest_ts)) AS last
FROM telemetry.span_keys
WHERE minute BETWEEN toDateTime({{ first }}) AND toDateTime({{ end }})
    AND (tenant_id, toUnixTimestamp(minute)) IN ({{ keys }})
GROUP BY tenant_id, minute

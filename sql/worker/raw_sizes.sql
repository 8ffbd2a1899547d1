-- How many raw rows, repeated ones included, each key has: an upper bound of what recomputing it reads.
SELECT tenant_id, toUnixTimestamp(toStartOfMinute(start_ts)) AS at, count() AS rows
FROM telemetry.spans_raw
WHERE {{ where }}
GROUP BY tenant_id, at

-- Who has been heard of lately, by who has held the lease longest: holder, since when (Unix ms).
SELECT holder, max(taken_ms) AS taken
FROM telemetry.worker_leases
WHERE lease = {{ lease | sql_string }} AND at > now64(3) - toIntervalMillisecond({{ expiry_ms }})
GROUP BY holder
ORDER BY taken, holder

-- Up to when (Unix seconds) each tenant's raw rows may be gone by a term that is no longer its own; '': every tenant's. Rows that were stamped
-- with it go after its days, until they are rewritten; what came a day after it ended was not (a span's time may lie a day
-- ahead of its arrival).
SELECT tenant_id, toUnixTimestamp(max(least(until + INTERVAL 1 DAY, rewritten_at - toIntervalDay(days)))) AS floor
FROM
(
    SELECT
        ended.tenant_id AS tenant_id,
        ended.retention_days AS days,
        ended.until AS until,
        if(countIf(redone.until >= ended.until) = 0, now64(3, 'UTC'), least(now64(3, 'UTC'), minIf(redone.until, redone.until >= ended.until))) AS rewritten_at
    FROM (SELECT tenant_id, retention_days, until FROM telemetry.retention_changes WHERE NOT rewritten) AS ended
    LEFT JOIN (SELECT tenant_id, until FROM telemetry.retention_changes WHERE rewritten) AS redone
        ON redone.tenant_id = ended.tenant_id
    GROUP BY tenant_id, days, until
)
GROUP BY tenant_id

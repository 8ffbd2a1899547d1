-- Episodes that are not over.
SELECT episode, any(budget), any(tenant_id), any(subject), max(level), toUnixTimestamp64Milli(min(at))
FROM telemetry.budget_events
WHERE at > now() - INTERVAL 40 DAY
GROUP BY episode
HAVING countIf(type = 'resolved') = 0

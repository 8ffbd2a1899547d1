-- The last episode of each of these subjects, over or not, the highest level of any, and when it began (Unix ms).
SELECT tenant_id, subject, argMax(episode, at), max(level), toUnixTimestamp64Milli(min(at))
FROM telemetry.budget_events
WHERE at > now() - INTERVAL 40 DAY AND budget = {{ budget | sql_string }} AND (tenant_id, subject) IN ({{ subjects }})
GROUP BY tenant_id, subject

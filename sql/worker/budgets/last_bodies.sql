-- The newest body of each of these episodes.
SELECT episode, argMax(body_json, at)
FROM telemetry.budget_events
WHERE at > now() - INTERVAL 41 DAY AND episode IN ({{ episodes }})
GROUP BY episode

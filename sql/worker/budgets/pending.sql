-- Events that somebody is still to be told of, those never tried first: how often it was tried, and when last (Unix ms).
SELECT e.event_id, e.body, toUnixTimestamp64Milli(e.began), toUnixTimestamp64Milli(e.until), d.tries, toUnixTimestamp64Milli(d.last_try)
FROM
(
    SELECT event_id, any(body_json) AS body, min(at) AS began, max(give_up_at) AS until
    FROM telemetry.budget_events
    WHERE at > now() - INTERVAL 3 DAY AND notify
    GROUP BY event_id
) AS e
LEFT JOIN
(
    SELECT event_id, count() AS tries, max(at) AS last_try, countIf(outcome != 'failed') AS done
    FROM telemetry.budget_deliveries
    WHERE at > now() - INTERVAL 3 DAY
    GROUP BY event_id
) AS d ON d.event_id = e.event_id
WHERE d.done = 0
ORDER BY d.tries, e.began, e.event_id
LIMIT {{ limit }}

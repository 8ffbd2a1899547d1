-- Who has used most of each budget, as the worker saw it last, with the last crossing.
SELECT
    u.budget AS budget,
    u.tenant_id AS tenant,
    u.subject AS subject,
    u.used AS used,
    u.used / u.usage_limit AS share,
    u.model_calls AS model_calls,
    u.unpriced_calls AS unpriced_calls,
    dateDiff('second', u.at, now64(3)) AS seconds_ago,
    c.level AS level,
    if(c.level > 0, toString(c.began), '') AS began,
    multiIf(c.level = 0, '', isNull(c.resolved), 'open', u.scope = 'run', 'ended with the run', 'resolved') AS state,
    multiIf(c.level = 0 OR NOT c.notify, '', c.delivered > 0, 'told', 'not told yet') AS told,
    if(told = 'told', toString(c.delivered), '') AS told_at,
    if(c.level = 0 OR isNull(c.resolved), '', toString(c.resolved)) AS ended_at
FROM telemetry.budget_usage AS u
LEFT JOIN
(
    SELECT
        b.budget AS budget,
        b.tenant_id AS tenant_id,
        b.subject AS subject,
        argMax(b.level, b.began) AS level,
        max(b.began) AS began,
        argMax(tuple(b.resolved), b.began).1 AS resolved,
        argMax(b.notify, b.began) AS notify,
        argMax(b.delivered, b.began) AS delivered
    FROM telemetry.budget_crossings AS b
    WHERE b.began > now() - INTERVAL 40 DAY
    GROUP BY budget, tenant_id, subject
) AS c ON c.budget = u.budget AND c.tenant_id = u.tenant_id AND c.subject = u.subject
WHERE u.at > now() - INTERVAL 10 MINUTE
    AND (u.budget, u.at) IN (SELECT budget, max(at) FROM telemetry.budget_usage WHERE at > now() - INTERVAL 10 MINUTE GROUP BY budget)
ORDER BY budget, used DESC, tenant, subject

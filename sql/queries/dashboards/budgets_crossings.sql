-- Crossings and warnings that began in the time range, the newest first: how far they went, and whether somebody was told.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    began,
    budget,
    tenant_id AS tenant,
    if(scope = 'run', subject, '') AS run,
    if(scope = 'run', '', subject) AS who,
    used,
    usage_limit AS at_most,
    level,
    multiIf(isNull(resolved), 'open', scope = 'run', 'ended with the run', 'resolved') AS state,
    multiIf(NOT notify, 'nobody to tell', delivered > 0, 'told', 'not told yet') AS webhook,
    if(delivered > 0, dateDiff('millisecond', began, delivered) / 1000, NULL) AS told_after,
    last_error
FROM telemetry.budget_crossings
WHERE $__timeFilter(began){{ d.chosen(['tenant'], canary=true) }}
ORDER BY began DESC
LIMIT 50

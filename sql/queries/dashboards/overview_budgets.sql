-- Budgets that are above their limit now or were so in the time range, those of now first, then the one furthest above it.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    budget,
    if(isNull(resolved), 'now', 'over') AS state,
    tenant_id AS tenant,
    if(scope = 'run', subject, '') AS run,
    if(scope = 'run', '', subject) AS subject_name,
    used / usage_limit AS share,
    used,
    usage_limit AS at_most,
    began,
    multiIf(NOT notify, 'nobody to tell', delivered IS NULL OR delivered = 0, 'not told yet', 'told') AS webhook
FROM telemetry.budget_crossings
WHERE {{ d.crossed() }}{{ d.chosen(['tenant']) }}
ORDER BY isNull(resolved) DESC, share DESC, began DESC
LIMIT 50

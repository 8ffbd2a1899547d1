-- Budgets that are crossed and not resolved, the one furthest above its limit first. Whatever the time range.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    budget,
    tenant_id AS tenant,
    if(scope = 'run', subject, '') AS run,
    if(scope = 'run', '', subject) AS subject_name,
    used,
    usage_limit AS at_most,
    used / usage_limit AS share,
    began,
    multiIf(NOT notify, 'nobody to tell', delivered IS NULL OR delivered = 0, 'not told yet', 'told') AS webhook
FROM telemetry.budget_crossings
WHERE resolved IS NULL AND level >= 1{{ d.chosen(['tenant']) }}
ORDER BY share DESC, began DESC
LIMIT 50

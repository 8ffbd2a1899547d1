-- Who had used most of each budget at the end of the time range, as the worker saw it.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    budget,
    tenant_id AS tenant,
    if(scope = 'run', subject, '') AS run,
    if(scope = 'run', '', subject) AS who,
    measure,
    window,
    used,
    usage_limit AS at_most,
    used / usage_limit AS share,
    unpriced_calls / nullIf(model_calls, 0) AS unpriced
FROM telemetry.budget_usage
WHERE tenant_id != '' AND at > $__toTime - INTERVAL 10 MINUTE AND at <= $__toTime{{ d.chosen(['tenant'], canary=true) }}
    AND (budget, at) IN
    (
        SELECT budget, max(at) FROM telemetry.budget_usage WHERE at > $__toTime - INTERVAL 10 MINUTE AND at <= $__toTime GROUP BY budget
    )
ORDER BY share DESC, budget, tenant
LIMIT 50

-- Latency by objective, service and tenant: share of requests under it, error budget left, burn rates.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    objective,
    service,
    tenant,
    any(latency_ms) AS under_ms,
    any(latency_share) AS target,
    sum(asked) AS requests,
    1 - sum(slow) / requests AS reached,
    {{ d.budget_left('slow', 'target') }} AS budget_left,
    {{ d.burn('slow', '5 MINUTE', 'target') }} AS burn_5m,
    {{ d.burn('slow', '1 HOUR', 'target') }} AS burn_1h,
    {{ d.burn('slow', '6 HOUR', 'target') }} AS burn_6h,
    {{ d.burn('slow', '3 DAY', 'target') }} AS burn_3d
FROM {{ d.objective_minutes() }}
GROUP BY objective, service, tenant
ORDER BY budget_left ASC NULLS LAST, service, tenant
LIMIT 200

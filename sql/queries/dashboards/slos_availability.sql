-- Availability by objective, service and tenant: share of good requests, error budget left, burn rates.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    objective,
    service,
    tenant,
    any(availability) AS target,
    sum(asked) AS requests,
    1 - sum(failed) / requests AS reached,
    {{ d.budget_left('failed', 'target') }} AS budget_left,
    {{ d.burn('failed', '5 MINUTE', 'target') }} AS burn_5m,
    {{ d.burn('failed', '1 HOUR', 'target') }} AS burn_1h,
    {{ d.burn('failed', '6 HOUR', 'target') }} AS burn_6h,
    {{ d.burn('failed', '3 DAY', 'target') }} AS burn_3d
FROM {{ d.objective_minutes() }}
GROUP BY objective, service, tenant
ORDER BY budget_left ASC NULLS LAST, service, tenant
LIMIT 200

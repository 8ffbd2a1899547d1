-- Latency by objective, service and tenant: share of requests under it, error budget left, burn rates.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    objective,
    service,
    tenant,
    any(latency_ms) AS under_ms,
    any(latency_share) AS target,
    1 - sum(slow) / sum(requests) AS reached,
    1 - (sum(slow) / sum(requests)) / (1 - target) AS budget_left,
    sumIf(slow, minute > $__toTime - INTERVAL 5 MINUTE) / nullIf(sumIf(requests, minute > $__toTime - INTERVAL 5 MINUTE), 0) / (1 - target) AS burn_5m,
    sumIf(slow, minute > $__toTime - INTERVAL 1 HOUR) / nullIf(sumIf(requests, minute > $__toTime - INTERVAL 1 HOUR), 0) / (1 - target) AS burn_1h,
    sumIf(slow, minute > $__toTime - INTERVAL 6 HOUR) / nullIf(sumIf(requests, minute > $__toTime - INTERVAL 6 HOUR), 0) / (1 - target) AS burn_6h,
    sumIf(slow, minute > $__toTime - INTERVAL 3 DAY) / nullIf(sumIf(requests, minute > $__toTime - INTERVAL 3 DAY), 0) / (1 - target) AS burn_3d
FROM {{ d.objective_minutes() }}
GROUP BY objective, service, tenant
ORDER BY budget_left, service, tenant
LIMIT 200

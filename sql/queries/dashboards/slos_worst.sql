-- The smallest error budget that is left, and how many are used up.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    min(availability_left) AS availability_budget,
    min(latency_left) AS latency_budget,
    countIf(least(availability_left, latency_left) <= 0) AS used_up,
    max(burn) AS fastest_burn
FROM
(
    SELECT
        1 - (sum(failed) / sum(requests)) / (1 - any(availability)) AS availability_left,
        1 - (sum(slow) / sum(requests)) / (1 - any(latency_share)) AS latency_left,
        sumIf(failed, minute > $__toTime - INTERVAL 1 HOUR) / nullIf(sumIf(requests, minute > $__toTime - INTERVAL 1 HOUR), 0) / (1 - any(availability)) AS burn
    FROM {{ d.objective_minutes() }}
    GROUP BY objective, service, tenant
)
HAVING count() > 0

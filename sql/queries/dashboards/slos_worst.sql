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
        {{ d.budget_left('failed', 'any(availability)') }} AS availability_left,
        {{ d.budget_left('slow', 'any(latency_share)') }} AS latency_left,
        {{ d.burn('failed', '1 HOUR', 'any(availability)') }} AS burn
    FROM {{ d.objective_minutes() }}
    GROUP BY objective, service, tenant
)
HAVING count() > 0

-- The share of its limit at which a budget was last told to be crossed, by whom it counts; 0 when it is over.
SELECT tenant, budget, scope, subject, value
FROM
(
    SELECT tenant_id AS tenant, budget, scope, subject, argMax(level, at) AS value, max(at) AS last
    FROM telemetry.budget_events
    WHERE at > $__toTime - INTERVAL 35 DAY AND at <= $__toTime
    GROUP BY tenant, budget, scope, subject
)
WHERE value > 0 OR last > $__toTime - INTERVAL 1 HOUR
ORDER BY value DESC, last DESC, tenant, budget, subject
LIMIT 100

-- The share of its limit at which a budget was last told to be crossed, by whom it counts; 0 when it is over. A tenant's own has
-- no other subject than the tenant.
SELECT tenant, budget, scope, if(whose = '', tenant, whose) AS subject, value
FROM
(
    SELECT tenant_id AS tenant, budget, scope, subject AS whose, argMax(level, at) AS value, max(at) AS last
    FROM telemetry.budget_events
    WHERE at > $__toTime - INTERVAL 35 DAY AND at <= $__toTime
    GROUP BY tenant, budget, scope, whose
)
WHERE value > 0 OR last > $__toTime - INTERVAL 1 HOUR
ORDER BY value DESC, last DESC, tenant, budget, subject
LIMIT 100

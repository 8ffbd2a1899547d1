-- Minutes since a tenant's last span, where it had sent steadily before; who sends again is back at once.
SELECT tenant, environment, toFloat64(dateDiff('minute', last, $__toTime)) AS value
FROM
(
    SELECT
        tenant_id AS tenant,
        env AS environment,
        max(minute) AS last,
        arrayCount(one -> one > last - INTERVAL 1 HOUR, groupUniqArray(minute)) AS steady
    FROM telemetry.spans_minute
    WHERE minute > $__toTime - INTERVAL {{ rule.forget_hours + 1 }} HOUR AND minute <= $__toTime AND tenant_id != 'canary'
    GROUP BY tenant, environment
    HAVING last > $__toTime - INTERVAL {{ rule.forget_hours }} HOUR
)
WHERE steady >= {{ rule.steady_minutes }} OR value <= {{ rule.above }}
ORDER BY value DESC, tenant, environment
LIMIT 100

-- Minutes since a tenant's last span, where it had sent steadily before.
SELECT tenant, environment, toFloat64(dateDiff('minute', last, $__toTime)) AS value
FROM
(
    SELECT
        tenant_id AS tenant,
        env AS environment,
        max(minute) AS last,
        arrayCount(one -> one > last - INTERVAL 1 HOUR, groupUniqArray(minute)) AS steady
    FROM telemetry.spans_minute
    WHERE minute > $__toTime - INTERVAL {{ rule.forget_hours }} HOUR AND minute <= $__toTime AND tenant_id != 'canary'
    GROUP BY tenant, environment
)
WHERE steady >= {{ rule.steady_minutes }}
ORDER BY value DESC, tenant, environment
LIMIT 100

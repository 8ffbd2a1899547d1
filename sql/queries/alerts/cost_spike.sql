-- A workflow's cost a minute as a multiple of what is usual: the greater of its mean over the 7 days before and of its mean
-- in this hour of the day, on the days on which it ran then. So a daily peak is no spike.
SELECT tenant, environment, workflow, lately / greatest(of_all, of_this_hour, 1e-9) AS value
FROM
(
    SELECT
        tenant_id AS tenant,
        env AS environment,
        workflow_id AS workflow,
        $__toTime - INTERVAL {{ rule.window_minutes }} MINUTE AS since,
        min(minute) AS first,
        toFloat64(sumIf(cost_usd, minute > since)) / {{ rule.window_minutes }} AS lately,
        toFloat64(sumIf(cost_usd, minute <= since)) / greatest(dateDiff('minute', first, since), 1) AS of_all,
        toFloat64(sumIf(cost_usd, minute <= since - INTERVAL 1 HOUR AND toHour(minute, 'UTC') = toHour($__toTime, 'UTC'))) AS usd_this_hour,
        uniqExactIf(toDate(minute, 'UTC'), minute <= since - INTERVAL 1 HOUR AND toHour(minute, 'UTC') = toHour($__toTime, 'UTC')) AS days,
        usd_this_hour / 60 / greatest(days, 1) AS of_this_hour
    FROM telemetry.cost_minute
    WHERE minute > $__toTime - INTERVAL 7 DAY AND minute <= $__toTime AND tenant_id != 'canary'
    GROUP BY tenant, environment, workflow
)
WHERE lately >= {{ rule.least_usd_a_minute }} AND first <= $__toTime - INTERVAL {{ rule.history_hours }} HOUR
ORDER BY value DESC, tenant, environment, workflow
LIMIT 100

-- Cost an hour, beside the average of the same hour on the 7 days before.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    at AS time,
    toFloat64(sumIf(cost_usd, days = 0)) AS usd,
    toFloat64(sumIf(cost_usd, days > 0)) / 7 AS usual
FROM
(
    SELECT toStartOfHour(minute) + toIntervalDay(days) AS at, days, cost_usd
    FROM telemetry.cost_minute
    ARRAY JOIN range(8) AS days
    WHERE minute >= $__fromTime - INTERVAL 7 DAY AND minute <= $__toTime
        {{- d.chosen(['environment', 'tenant', 'service', 'agent', 'model', 'workflow']) }}
)
WHERE at >= toStartOfHour($__fromTime) AND at <= $__toTime
GROUP BY time
ORDER BY time

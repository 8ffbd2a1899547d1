-- Cost an hour, beside the average of the same hour on the 7 days before, or on as many as there are.
{% import 'macros/dashboards.sql' as d with context %}
WITH (SELECT min(minute) FROM telemetry.cost_minute WHERE minute >= $__fromTime - INTERVAL 8 DAY AND minute <= $__toTime) AS began
SELECT
    at AS time,
    toFloat64(sumIf(cost_usd, days = 0)) AS usd,
    toFloat64(sumIf(cost_usd, days > 0)) / {{ d.days_before('began', 'time') }} AS usual
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

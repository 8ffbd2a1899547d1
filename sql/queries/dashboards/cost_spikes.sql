-- Who costs more in the last full hour of the range than in the same hour of the 7 days before, or of as many as there are.
{% import 'macros/dashboards.sql' as d with context %}
WITH
    toStartOfHour($__toTime) - INTERVAL 1 HOUR AS hour,
    (SELECT min(minute) FROM telemetry.cost_minute WHERE minute >= toStartOfHour($__toTime) - INTERVAL 8 DAY AND minute <= $__toTime) AS began
SELECT
    tenant_id AS tenant,
    model,
    {{ d.known('sumIf(cost_usd, toStartOfHour(minute) = hour)', 'sumIf(unpriced_calls, toStartOfHour(minute) = hour)') }} AS cost,
    toFloat64(sumIf(cost_usd, toStartOfHour(minute) = hour)) AS usd,
    toFloat64(sumIf(cost_usd, toStartOfHour(minute) < hour)) / {{ d.days_before('began', 'hour') }} AS usual,
    if(usual = 0, NULL, usd / usual) AS times
FROM telemetry.cost_minute
WHERE minute >= hour - INTERVAL 7 DAY AND minute < hour + INTERVAL 1 HOUR
    AND toHour(minute, 'UTC') = toHour(hour, 'UTC')
    {{- d.chosen(['environment', 'tenant', 'service', 'agent', 'model', 'workflow']) }}
GROUP BY tenant, model
HAVING usd > 0
ORDER BY usd - usual DESC
LIMIT 20

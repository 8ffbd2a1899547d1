-- Booked cost a minute by model.
SELECT $__timeInterval(minute) AS time, model, toFloat64(sum(cost_usd)) / ($__interval_s / 60) AS usd
FROM telemetry.cost_minute
WHERE $__timeFilter(minute) AND tenant_id IN (${tenant:singlequote}) AND env IN (${env:singlequote})
GROUP BY time, model
ORDER BY time

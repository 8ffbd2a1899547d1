-- Failed spans' share by service.
SELECT $__timeInterval(minute) AS time, service_name AS service, sum(errors) / sum(spans) AS errors
FROM telemetry.spans_minute
WHERE $__timeFilter(minute) AND tenant_id IN (${tenant:singlequote}) AND env IN (${env:singlequote})
GROUP BY time, service
ORDER BY time

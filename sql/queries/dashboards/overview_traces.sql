-- Traces a minute that began a span then.
SELECT $__timeInterval(minute) AS time, uniqMerge(traces) / ($__interval_s / 60) AS traces
FROM telemetry.spans_minute
WHERE $__timeFilter(minute) AND tenant_id IN (${tenant:singlequote}) AND env IN (${env:singlequote})
GROUP BY time
ORDER BY time

-- Whether the canary's span has arrived: at most one day and one tenant are read.
SELECT count()
FROM telemetry.spans_raw
WHERE tenant_id = {tenant:String}
    AND toDate(start_ts) IN (toDate({started:DateTime('UTC')}), toDate({started:DateTime('UTC')}) + 1)
    AND trace_id = unhex({trace_id:String})

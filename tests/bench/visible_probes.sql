-- Which probes a reader can see.
SELECT lower(hex(trace_id))
FROM telemetry.spans_raw
WHERE tenant_id = 'bench-probe'
    AND toDate(start_ts) IN (toDate({since:DateTime('UTC')}), toDate({since:DateTime('UTC')}) + 1)
    AND start_ts >= {since:DateTime('UTC')}

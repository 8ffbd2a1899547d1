-- Spans in raw, of the benchmark's traffic.
SELECT count() FROM telemetry.spans_raw WHERE tenant_id NOT IN ('canary', 'bench-probe')

-- Spans that are in raw, in the keys, in a rollup and in the runs, of the benchmark's traffic: the least of the four.
SELECT least(
    (SELECT count() FROM telemetry.spans_raw WHERE tenant_id NOT IN ('canary', 'bench-probe')),
    (SELECT count() FROM telemetry.span_keys WHERE tenant_id NOT IN ('canary', 'bench-probe')),
    (SELECT sum(spans) FROM telemetry.spans_minute_data WHERE tenant_id NOT IN ('canary', 'bench-probe') AND generation = 0),
    (SELECT sum(steps) FROM telemetry.runs_data WHERE tenant_id NOT IN ('canary', 'bench-probe') AND generation = 0))

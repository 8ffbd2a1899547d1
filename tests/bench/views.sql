-- The views that read from spans_in, other than the one that fills spans_raw.
SELECT name
FROM system.tables
WHERE database = 'telemetry' AND engine = 'MaterializedView' AND has(loading_dependencies_table, 'spans_in') AND name != 'spans_raw_mv'
ORDER BY name

-- Environments that sent something in the time range.
SELECT DISTINCT env FROM telemetry.spans_minute WHERE $__timeFilter(minute) ORDER BY env

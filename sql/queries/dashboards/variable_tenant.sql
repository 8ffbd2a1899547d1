-- Tenants that sent something in the time range.
SELECT DISTINCT tenant_id FROM telemetry.spans_minute WHERE $__timeFilter(minute) ORDER BY tenant_id

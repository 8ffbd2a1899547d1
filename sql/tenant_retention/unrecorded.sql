-- Whether the tenant ever had another term, and rows have not been rewritten since.
SELECT maxIf(until, NOT rewritten) > maxIf(until, rewritten)
FROM telemetry.retention_changes
WHERE tenant_id = {{ tenant | sql_string }}

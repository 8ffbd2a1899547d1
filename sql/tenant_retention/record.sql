-- From now on no stored row of the tenant goes by a term that is not its own.
INSERT INTO telemetry.retention_changes (tenant_id, retention_days, rewritten) VALUES ({{ tenant | sql_string }}, {{ days }}, true)

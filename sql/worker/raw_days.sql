-- After how many days raw rows are deleted: the default, from the live table's TTL, and each tenant that has its own.
{% import 'macros/stack_days.sql' as raw with context %}
SELECT '' AS tenant_id, ({{ raw.stack_days('spans_raw') }}) AS days
UNION ALL
SELECT tenant_id, toUInt32(retention_days) AS days
FROM telemetry.tenants FINAL
WHERE retention_days > 0 AND NOT removed

-- After how many days raw rows are deleted: the default, from the live table's TTL, and each tenant that has its own.
SELECT
    '' AS tenant_id,
    toUInt32OrZero(extract(create_table_query, 'retention_days = 0, (\\d+)')) AS days
FROM system.tables
WHERE database = 'telemetry' AND name = 'spans_raw'
UNION ALL
SELECT tenant_id, toUInt32(retention_days) AS days
FROM telemetry.tenants FINAL
WHERE retention_days > 0

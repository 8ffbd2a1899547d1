-- The rows in force, as JSON in the form in which they were loaded.
SELECT formatRowNoNewline('JSONEachRow', tenant_id, retention_days, keep_content) AS row
FROM {{ database }}.tenants FINAL
WHERE NOT removed

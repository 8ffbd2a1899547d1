-- One insert: the rows that are wanted, and the ones that are no longer, marked as removed.
INSERT INTO {{ database }}.tenants (tenant_id, retention_days, keep_content, removed)
WITH wanted AS
(
    SELECT tenant_id, retention_days, keep_content
{% if rows %}
    FROM format(JSONEachRow, 'tenant_id String, retention_days UInt16, keep_content Bool', {{ rows | join('\n') | sql_string }})
{% else %}
    FROM {{ database }}.tenants
    WHERE false
{% endif %}
)
SELECT
    tenant_id, retention_days, keep_content,
    false AS removed
FROM wanted
UNION ALL
SELECT
    tenant_id, retention_days, keep_content,
    true AS removed
FROM {{ database }}.tenants AS stored FINAL
WHERE NOT stored.removed AND (tenant_id) NOT IN (SELECT tenant_id FROM wanted)

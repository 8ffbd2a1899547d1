-- Tenants whose rows get another stamp with the load that follows.
{% import 'macros/reference.sql' as reference with context %}
INSERT INTO {{ database }}.retention_changes (tenant_id, retention_days)
WITH wanted AS
(
    {{ reference.wanted('tenants', reference.tables['tenants']) }}
)
SELECT tenant_id, retention_days
FROM {{ database }}.tenants AS stored FINAL
WHERE NOT stored.removed AND retention_days > 0
    AND (tenant_id, retention_days) NOT IN (SELECT tenant_id, retention_days FROM wanted)

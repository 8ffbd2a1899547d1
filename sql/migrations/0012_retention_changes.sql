-- Which days of retention tenants' rows were stamped with before, and when stored rows were rewritten (telemetry retention apply).
-- kind: metadata
-- Deleted rows don't tell what they were stamped with: without this the worker would take a minute whose rows went by a shorter
-- term for one that lost rows. A row a change.
CREATE TABLE IF NOT EXISTS {{ database }}.retention_changes
(
    tenant_id String COMMENT 'empty: the stack''s own days, of rows with the stamp 0',
    retention_days UInt16 COMMENT 'what rows were stamped with until then',
    until DateTime64(3, 'UTC') DEFAULT now64(3),
    rewritten Bool DEFAULT false COMMENT 'from then on no row is stamped with anything but the tenant''s value'
)
ENGINE = {{ 'Replicated' if replicated }}MergeTree
ORDER BY (tenant_id, until){{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

-- What is known of the time before: tenants whose setting was taken away.
INSERT INTO {{ database }}.retention_changes (tenant_id, retention_days, until)
SELECT tenant_id, retention_days, loaded_at
FROM {{ database }}.tenants FINAL
WHERE removed AND retention_days > 0;

-- How far every backfill has come, so that the same command continues one that was stopped. Only ever appended to.
-- kind: metadata
CREATE TABLE IF NOT EXISTS {{ database }}.backfills
(
    backfill_id String,
    from_ts DateTime('UTC'),
    to_ts DateTime('UTC'),
    open_ended Bool COMMENT 'No end was given: to_ts is when it began',
    tenant_id String COMMENT 'Empty: all tenants',
    state LowCardinality(String) COMMENT 'started, batch or finished',
    cursor_minute DateTime('UTC') COMMENT 'The last minute done, in the order (minute, tenant)',
    cursor_tenant String,
    minutes UInt64 COMMENT 'Minutes of tenants rebuilt by this batch',
    spans UInt64 COMMENT 'Raw rows read by this batch',
    refused UInt64,
    postponed Array(Tuple(tenant_id String, minute DateTime('UTC'))) COMMENT 'Received rows at that moment: done last',
    at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = {{ 'Replicated' if replicated }}MergeTree
ORDER BY (backfill_id, at)
TTL toDateTime(at) + INTERVAL 90 DAY{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

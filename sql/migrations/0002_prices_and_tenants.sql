-- What a post-deploy step loads from the configuration, and the dictionaries through which the views at ingest read it.
-- kind: metadata

-- Rows are never deleted, only marked as removed: at no moment is a dictionary loaded from a half-written table.
CREATE TABLE IF NOT EXISTS {{ database }}.model_prices
(
    provider LowCardinality(String) COMMENT 'empty: any provider',
    model String,
    valid_from DateTime('UTC'),
    valid_to DateTime('UTC') COMMENT 'inclusive',
    input_usd_per_million Decimal(18, 6),
    cached_usd_per_million Nullable(Decimal(18, 6)) COMMENT 'NULL: as input',
    output_usd_per_million Decimal(18, 6),
    reasoning_usd_per_million Nullable(Decimal(18, 6)) COMMENT 'NULL: as output',
    source String,
    removed Bool DEFAULT false,
    loaded_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = {{ 'Replicated' if replicated }}ReplacingMergeTree(loaded_at)
ORDER BY (provider, model, valid_from){{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

CREATE TABLE IF NOT EXISTS {{ database }}.tenants
(
    tenant_id String COMMENT '*: every tenant without a row of its own',
    retention_days UInt16 COMMENT '0: the stack''s',
    keep_content Bool,
    removed Bool DEFAULT false,
    loaded_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = {{ 'Replicated' if replicated }}ReplacingMergeTree(loaded_at)
ORDER BY tenant_id{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

-- USD per token with 12 decimals: a price per million has at most 6, so nothing is rounded.
-- LIFETIME: a dictionary that was loaded once keeps its rows when a later reload fails.
CREATE DICTIONARY IF NOT EXISTS {{ database }}.model_price
(
    provider String,
    model String,
    valid_from DateTime('UTC'),
    valid_to DateTime('UTC'),
    input Decimal(38, 12),
    cached Decimal(38, 12),
    output Decimal(38, 12),
    reasoning Decimal(38, 12),
    found UInt8
)
PRIMARY KEY provider, model
SOURCE(CLICKHOUSE(QUERY 'SELECT provider, model, valid_from, valid_to, toDecimal128(input_usd_per_million, 12) / 1000000 AS input, toDecimal128(ifNull(cached_usd_per_million, input_usd_per_million), 12) / 1000000 AS cached, toDecimal128(output_usd_per_million, 12) / 1000000 AS output, toDecimal128(ifNull(reasoning_usd_per_million, output_usd_per_million), 12) / 1000000 AS reasoning, 1 AS found FROM {{ database }}.model_prices FINAL WHERE NOT removed'))
LAYOUT(COMPLEX_KEY_RANGE_HASHED())
RANGE(MIN valid_from MAX valid_to)
LIFETIME(MIN 30 MAX 60);

CREATE DICTIONARY IF NOT EXISTS {{ database }}.tenant
(
    tenant_id String,
    retention_days UInt16,
    keep_content UInt8
)
PRIMARY KEY tenant_id
SOURCE(CLICKHOUSE(QUERY 'SELECT tenant_id, retention_days, toUInt8(keep_content) AS keep_content FROM {{ database }}.tenants FINAL WHERE NOT removed'))
LAYOUT(COMPLEX_KEY_HASHED())
LIFETIME(MIN 30 MAX 60);

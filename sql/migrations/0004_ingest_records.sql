-- What arrived, what could not be parsed, how a trace and a repeated span are found without a scan.
-- kind: metadata

-- A row a message and arrival: a message read twice has two.
CREATE TABLE IF NOT EXISTS {{ database }}.ingest_ledger
(
    topic LowCardinality(String),
    partition UInt32,
    offset UInt64 CODEC(Delta(8), ZSTD(1)),
    message_ts DateTime64(3, 'UTC') COMMENT 'when Kafka took it' CODEC(Delta(8), ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    spans UInt32 COMMENT 'spans or log records in it',
    is_dead_letter Bool,
    INDEX ingest_ts_range ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = {{ 'Replicated' if replicated }}MergeTree
PARTITION BY toDate(ingest_ts)
ORDER BY (topic, partition, offset)
TTL toDateTime(ingest_ts) + toIntervalDay({{ retention.raw_days }}) DELETE{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

CREATE TABLE IF NOT EXISTS {{ database }}.dead_letters
(
    topic LowCardinality(String),
    partition UInt32,
    offset UInt64,
    message_ts DateTime64(3, 'UTC'),
    ingest_ts DateTime64(3, 'UTC'),
    error String,
    raw String CODEC(ZSTD(3))
)
ENGINE = {{ 'Replicated' if replicated }}ReplacingMergeTree
PARTITION BY toDate(message_ts)
ORDER BY (topic, partition, offset)
TTL toDateTime(message_ts) + toIntervalDay({{ retention.dead_letters_days }}) DELETE{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

-- Never deduplicated: more than one row for a tenant, minute and key is a span that came again. Kept for a week by
-- arrival; a repeat of an older span is not looked for.
CREATE TABLE IF NOT EXISTS {{ database }}.span_keys
(
    minute DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    tenant_id LowCardinality(String),
    span_key UInt64 COMMENT 'cityHash64(trace_id, span_id)' CODEC(NONE),
    topic LowCardinality(String),
    partition UInt32 CODEC(ZSTD(1)),
    offset UInt64 CODEC(Delta(8), ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    -- The worker asks every few seconds which rows came lately: without this it would read the whole day.
    INDEX ingest_ts_range ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = {{ 'Replicated' if replicated }}MergeTree
PARTITION BY toDate(ingest_ts)
ORDER BY (minute, tenant_id, span_key)
TTL toDateTime(ingest_ts) + toIntervalDay(7) DELETE{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

-- The same of log records, for the audit: in events_raw a record that came again may have another message's offset.
CREATE TABLE IF NOT EXISTS {{ database }}.log_keys
(
    minute DateTime('UTC') COMMENT 'of the record''s event_ts' CODEC(Delta(4), ZSTD(1)),
    tenant_id LowCardinality(String),
    log_key UInt64 COMMENT 'hash of the record''s sort key in events_raw' CODEC(NONE),
    topic LowCardinality(String),
    partition UInt32 CODEC(ZSTD(1)),
    offset UInt64 CODEC(Delta(8), ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    INDEX ingest_ts_range ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = {{ 'Replicated' if replicated }}MergeTree
PARTITION BY toDate(ingest_ts)
ORDER BY (minute, tenant_id, log_key)
TTL toDateTime(ingest_ts) + toIntervalDay(7) DELETE{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

-- min, max: the same however often a span comes.
CREATE TABLE IF NOT EXISTS {{ database }}.trace_index
(
    trace_id FixedString(16),
    tenant_id LowCardinality(String),
    day Date,
    min_ts SimpleAggregateFunction(min, DateTime64(9, 'UTC')),
    max_ts SimpleAggregateFunction(max, DateTime64(9, 'UTC')),
    root_service SimpleAggregateFunction(max, String),
    root_operation SimpleAggregateFunction(max, String)
)
ENGINE = {{ 'Replicated' if replicated }}AggregatingMergeTree
PARTITION BY day
ORDER BY (trace_id, tenant_id, day)
TTL toDateTime(day) + toIntervalDay({{ retention.raw_days }}) DELETE{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

CREATE OR REPLACE VIEW {{ database }}.traces AS
SELECT
    lower(hex(trace_id)) AS trace_id,
    tenant_id,
    min(i.min_ts) AS min_ts,
    max(i.max_ts) AS max_ts,
    max(i.root_service) AS root_service,
    max(i.root_operation) AS root_operation
FROM {{ database }}.trace_index AS i
GROUP BY i.trace_id, i.tenant_id;

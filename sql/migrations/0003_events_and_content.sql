-- Span events and OTLP logs; prompts and completions apart, so that they can expire or be erased by themselves.
-- kind: metadata

CREATE TABLE IF NOT EXISTS {{ database }}.events_raw
(
    tenant_id LowCardinality(String),
    env LowCardinality(String),
    service_name LowCardinality(String),
    event_type LowCardinality(String) COMMENT 'the event''s name; log: a log record without one',
    source Enum8('span' = 1, 'log' = 2),
    event_ts DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    trace_id FixedString(16) CODEC(ZSTD(1)),
    span_id FixedString(8) CODEC(ZSTD(1)),
    severity LowCardinality(String),
    payload_json String CODEC(ZSTD(3)),
    agent_name LowCardinality(String),
    model LowCardinality(String),
    tool_name LowCardinality(String),
    tokens_prompt Nullable(UInt64) CODEC(T64, ZSTD(1)),
    tokens_completion Nullable(UInt64) CODEC(T64, ZSTD(1)),
    cost_usd Nullable(Decimal(18, 12)) CODEC(ZSTD(1)),
    event_key UInt64 COMMENT 'hash of the content and its place in the span: a repeat has the same' CODEC(NONE),
    retention_days UInt16,
    topic LowCardinality(String),
    partition UInt32 CODEC(ZSTD(1)),
    offset UInt64 CODEC(Delta(8), ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    INDEX event_ts_range event_ts TYPE minmax GRANULARITY 1
)
ENGINE = {{ 'Replicated' if replicated }}ReplacingMergeTree
PARTITION BY toDate(event_ts)
PRIMARY KEY (tenant_id, toDate(event_ts), event_type, event_ts)
ORDER BY (tenant_id, toDate(event_ts), event_type, event_ts, trace_id, span_id, event_key)
TTL
    toDateTime(event_ts) + toIntervalDay({{ retention.slow_days }}) TO VOLUME 'slow',
{% if retention.s3_days %}
    toDateTime(event_ts) + toIntervalDay({{ retention.s3_days }}) TO VOLUME 's3',
{% endif %}
    toDateTime(event_ts) + toIntervalDay(if(retention_days = 0, {{ retention.raw_days }}, retention_days)) DELETE
SETTINGS storage_policy = '{{ storage_policy }}'{{ ', replicated_deduplication_window = 0' if replicated }};

CREATE OR REPLACE VIEW {{ database }}.events AS
SELECT
    * EXCEPT (trace_id, span_id, event_key),
    if(trace_id = toFixedString('', 16), '', lower(hex(trace_id))) AS trace_id,
    if(span_id = toFixedString('', 8), '', lower(hex(span_id))) AS span_id
FROM {{ database }}.events_raw FINAL;

CREATE TABLE IF NOT EXISTS {{ database }}.content
(
    tenant_id LowCardinality(String),
    ts DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    trace_id FixedString(16) CODEC(ZSTD(1)),
    span_id FixedString(8) CODEC(ZSTD(1)),
    source Enum8('span' = 1, 'event' = 2, 'log' = 3),
    position UInt32 COMMENT 'of the event in its span, from 1; 0 for a span''s own attribute or a log',
    name LowCardinality(String) COMMENT 'the attribute''s name',
    text String CODEC(ZSTD(3)),
    env LowCardinality(String),
    service_name LowCardinality(String),
    ingest_ts DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1))
)
ENGINE = {{ 'Replicated' if replicated }}ReplacingMergeTree
PARTITION BY toDate(ts)
PRIMARY KEY (tenant_id, trace_id, span_id)
ORDER BY (tenant_id, trace_id, span_id, source, position, name, ts)
TTL toDateTime(ts) + toIntervalDay({{ retention.content_days }}) DELETE
SETTINGS storage_policy = '{{ storage_policy }}'{{ ', replicated_deduplication_window = 0' if replicated }};

-- One row a span, and the view that people query.
-- kind: metadata
{# `replicated`, here and in every file after this: several nodes hold all data (docs/decisions/0008-replicas.md). Where a
   table lies in Keeper is the server's default (default_replica_path). Two blocks that are equal are two blocks. #}

-- The key ends in the span's identity: a span sent again collapses on merge, and at once for readers with FINAL.
-- The primary key held in memory is shorter.
CREATE TABLE IF NOT EXISTS {{ database }}.spans_raw
(
    tenant_id LowCardinality(String),
    env LowCardinality(String),
    service_name LowCardinality(String),
    operation LowCardinality(String),
    kind Enum8('unspecified' = 0, 'internal' = 1, 'server' = 2, 'client' = 3, 'producer' = 4, 'consumer' = 5),
    status_code Enum8('unset' = 0, 'ok' = 1, 'error' = 2),
    status_message String CODEC(ZSTD(1)),
    start_ts DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    end_ts DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    duration_ms Float64 CODEC(ZSTD(1)),
    trace_id FixedString(16) CODEC(ZSTD(1)),
    span_id FixedString(8) CODEC(NONE),
    parent_span_id FixedString(8) CODEC(ZSTD(1)),
    scope_name LowCardinality(String),
    scope_version LowCardinality(String),
    links Array(Tuple(trace_id FixedString(16), span_id FixedString(8), attributes Map(String, String))) CODEC(ZSTD(1)),
    attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    resource_attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    gen_ai_operation LowCardinality(String),
    agent_name LowCardinality(String),
    agent_version LowCardinality(String),
    workflow_id LowCardinality(String),
    session_id String CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    tool_name LowCardinality(String),
    tool_call_hash UInt64 COMMENT 'agent, tool and arguments; 0: not a tool call' CODEC(ZSTD(1)),
    prompt_name LowCardinality(String),
    prompt_version LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    finish_reason LowCardinality(String),
    error_type LowCardinality(String),
    exception_message String CODEC(ZSTD(1)),
    tokens_prompt Nullable(UInt64) CODEC(T64, ZSTD(1)),
    tokens_completion Nullable(UInt64) CODEC(T64, ZSTD(1)),
    tokens_cached Nullable(UInt64) CODEC(T64, ZSTD(1)),
    tokens_reasoning Nullable(UInt64) CODEC(T64, ZSTD(1)),
    cost_usd Nullable(Decimal(18, 12)) COMMENT 'as booked at ingest' CODEC(ZSTD(1)),
    cost_source LowCardinality(String) COMMENT 'reported, priced, unpriced, failed (without any usage), none (not a model call)',
    is_inference Bool COMMENT 'a model call: only these are summed, an agent span repeats its children',
    invalid_fields Array(LowCardinality(String)) COMMENT 'what arrived unusable and was set to NULL or to a bound',
    retention_days UInt16 COMMENT 'of the tenant at ingest; 0: the stack''s',
    topic LowCardinality(String),
    partition UInt32 CODEC(ZSTD(1)),
    offset UInt64 CODEC(Delta(8), ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    attributes_json JSON ALIAS CAST(toJSONString(attributes), 'JSON'),
    INDEX start_ts_range start_ts TYPE minmax GRANULARITY 1,
    INDEX trace_id_filter trace_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{ 'Replicated' if replicated }}ReplacingMergeTree
PARTITION BY toDate(start_ts)
PRIMARY KEY (tenant_id, toDate(start_ts), service_name, operation, start_ts)
ORDER BY (tenant_id, toDate(start_ts), service_name, operation, start_ts, trace_id, span_id)
TTL
    toDateTime(start_ts) + toIntervalDay({{ retention.slow_days }}) TO VOLUME 'slow',
{% if retention.s3_days %}
    toDateTime(start_ts) + toIntervalDay({{ retention.s3_days }}) TO VOLUME 's3',
{% endif %}
    toDateTime(start_ts) + toIntervalDay(if(retention_days = 0, {{ retention.raw_days }}, retention_days)) DELETE
SETTINGS storage_policy = '{{ storage_policy }}', ttl_only_drop_parts = 0{{ ', replicated_deduplication_window = 0' if replicated }};

CREATE OR REPLACE VIEW {{ database }}.spans AS
SELECT
    lower(hex(trace_id)) AS trace_id,
    lower(hex(span_id)) AS span_id,
    if(parent_span_id = toFixedString('', 8), '', lower(hex(parent_span_id))) AS parent_span_id,
    tenant_id, env, service_name, operation, kind, status_code, status_message, start_ts, end_ts, duration_ms,
    scope_name, scope_version, links, attributes, resource_attributes, gen_ai_operation, agent_name,
    agent_version, workflow_id, session_id, user_id, tool_name, tool_call_hash, prompt_name, prompt_version,
    provider, model, finish_reason, error_type, exception_message, tokens_prompt, tokens_completion,
    tokens_cached, tokens_reasoning, cost_usd, cost_source, is_inference, invalid_fields, retention_days, topic,
    partition, offset, ingest_ts,
    attributes_json
FROM {{ database }}.spans_raw FINAL;

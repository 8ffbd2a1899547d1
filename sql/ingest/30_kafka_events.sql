-- Topic otel-events: one message is one OTLP export request for logs; unnested into events_raw and content.
{% import 'macros/decode_' ~ ('proto' if kafka.encoding == 'otlp_proto' else 'json') ~ '.sql' as decode with context %}
{% import 'macros/expand_logs.sql' as expand with context %}
{% import 'macros/kafka.sql' as source with context %}
{% import 'macros/log_key.sql' as identity with context %}
{% set steps = decode.log_steps + expand.steps %}

{{ source.table('kafka_events', 'otel-events', 'LogsRequest', decode.logs_columns(), decode) }};

{{ source.records('kafka_events', decode.log_count()) }}

{{ source.step_tables('logs', 'kafka_events', steps) }}

-- Every log record passes here once; stores nothing.
CREATE TABLE IF NOT EXISTS {{ database }}.logs_in ENGINE = Null EMPTY AS
{{ expand.events(database ~ '.logs_' ~ steps[-1][0]) }};

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.logs_events_mv TO {{ database }}.events_raw AS
SELECT
    tenant_id, env, service_name, event_type, source, event_ts, trace_id, span_id, severity, payload_json, agent_name, model,
    tool_name, tokens_prompt, tokens_completion, cost_usd, event_key, retention_days, topic, partition, offset, ingest_ts
FROM {{ database }}.logs_in;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.log_keys_mv TO {{ database }}.log_keys AS
SELECT toStartOfMinute(toDateTime(event_ts, 'UTC')) AS minute, tenant_id, {{ identity.log_key() }} AS log_key, topic, partition, offset, ingest_ts
FROM {{ database }}.logs_in;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.logs_in_mv TO {{ database }}.logs_in AS
{{ expand.events(database ~ '.logs_' ~ steps[-1][0]) }};

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.logs_content_mv TO {{ database }}.content AS
{{ expand.content(database ~ '.logs_' ~ steps[-1][0]) }};

{{ source.step_views('logs', 'kafka_events', steps) }}

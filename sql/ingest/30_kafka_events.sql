-- Topic otel-events: one message is one OTLP export request for logs; unnested into events_raw and content.
{% import 'macros/decode_' ~ ('proto' if kafka.encoding == 'otlp_proto' else 'json') ~ '.sql' as decode with context %}
{% import 'macros/expand_logs.sql' as expand with context %}
{% import 'macros/kafka.sql' as source with context %}
{% set steps = decode.log_steps + expand.steps %}

{{ source.table('kafka_events', 'otel-events', 'LogsRequest', decode.logs_columns(), decode) }};

{{ source.records('kafka_events', decode.log_count()) }}

{{ source.step_tables('logs', 'kafka_events', steps) }}

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.logs_events_mv TO {{ database }}.events_raw AS
{{ expand.events(database ~ '.logs_' ~ steps[-1][0]) }};

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.logs_content_mv TO {{ database }}.content AS
{{ expand.content(database ~ '.logs_' ~ steps[-1][0]) }};

{{ source.step_views('logs', 'kafka_events', steps) }}

-- Topic otel-spans: one message is one OTLP export request for traces; unnested into spans_in.
{% import 'macros/decode_' ~ ('proto' if kafka.encoding == 'otlp_proto' else 'json') ~ '.sql' as decode with context %}
{% import 'macros/expand.sql' as expand with context %}
{% import 'macros/kafka.sql' as source with context %}
{% set steps = decode.span_steps + expand.steps %}

{{ source.table('kafka_spans', 'otel-spans', 'TracesRequest', decode.spans_columns(), decode) }};

{{ source.step_tables('spans', 'kafka_spans', steps) }}

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.spans_in_mv TO {{ database }}.spans_in AS
{{ expand.finished(database ~ '.spans_' ~ steps[-1][0]) }};

{{ source.step_views('spans', 'kafka_spans', steps) }}

{{ source.records('kafka_spans', decode.span_count()) }}

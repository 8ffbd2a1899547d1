-- Topic otel-spans: one message is one OTLP export request for traces; here it is unnested into spans_in.
{% import 'macros/decode_' ~ ('proto' if kafka.encoding == 'otlp_proto' else 'json') ~ '.sql' as decode with context %}
{% import 'macros/expand.sql' as expand with context %}
{% import 'macros/kafka.sql' as source with context %}

{{ source.table('kafka_spans', 'otel-spans', 'TracesRequest', decode.spans_columns(), decode) }};

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.kafka_spans_mv TO {{ database }}.spans_in AS
{{ expand.spans(decode.spans(database ~ '.kafka_spans')) }};

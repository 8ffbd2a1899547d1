-- Topic otel-spans: one message is one OTLP export request for traces; here it is unnested into spans_in.
{% import 'macros/decode_' ~ ('proto' if kafka.encoding == 'otlp_proto' else 'json') ~ '.sql' as decode with context %}
{% import 'macros/expand.sql' as expand with context %}
{% import 'macros/kafka.sql' as source with context %}
{% set steps = decode.steps + expand.steps %}

{{ source.table('kafka_spans', 'otel-spans', 'TracesRequest', decode.spans_columns(), decode) }};

-- The tables between the steps store nothing; their columns are what the step before selects.
{% for name, step in steps %}
CREATE TABLE IF NOT EXISTS {{ database }}.spans_{{ name }} ENGINE = Null EMPTY AS
{{ step(database ~ '.' ~ ('kafka_spans' if loop.first else 'spans_' ~ steps[loop.index0 - 1][0])) }};

{% endfor %}
{{ source.records('kafka_spans', decode.span_count()) }}

-- Last step first: the consumer starts with the view on the Kafka table, when all behind it is in place.
CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.spans_in_mv TO {{ database }}.spans_in AS
{{ expand.finished(database ~ '.spans_' ~ steps[-1][0]) }};

{% for index in range(steps | length - 1, -1, -1) %}
CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.spans_{{ steps[index][0] }}_mv TO {{ database }}.spans_{{ steps[index][0] }} AS
{{ steps[index][1](database ~ '.' ~ ('kafka_spans' if index == 0 else 'spans_' ~ steps[index - 1][0])) }};

{% endfor %}


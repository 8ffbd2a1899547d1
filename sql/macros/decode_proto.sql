{# OTLP as protobuf: the Kafka tables' columns, and one row a span or log record with every value in its final text. #}
{% import 'macros/otlp.sql' as otlp with context %}

{% macro spans_columns() %}
    resource_spans Array(Tuple(
        resource Tuple(attributes Map(String, {{ otlp.any_type(1) }})),
        scope_spans Array(Tuple(
            scope Tuple(name String, version String),
            spans Array(Tuple(
                trace_id String,
                span_id String,
                parent_span_id String,
                name String,
                kind Int32,
                start_time_unix_nano UInt64,
                end_time_unix_nano UInt64,
                attributes Map(String, {{ otlp.any_type(2) }}),
                events Array(Tuple(time_unix_nano UInt64, name String, attributes Map(String, {{ otlp.any_type(1) }}))),
                links Array(Tuple(trace_id String, span_id String, attributes Map(String, {{ otlp.any_type(0) }}))),
                status Tuple(message String, code Int32)
            ))
        ))
    ))
{%- endmacro %}

{% macro format_settings(message) %}
    kafka_format = 'ProtobufSingle',
    kafka_schema = '{{ kafka.schema }}:{{ message }}',
    input_format_protobuf_oneof_presence = 1
{%- endmacro %}

{# (start, end) in nanoseconds of each span of a message. #}
{% macro span_times() -%}
arrayMap(s -> (s.start_time_unix_nano, s.end_time_unix_nano), arrayFlatten(arrayMap(r -> arrayMap(s -> s.spans, r.scope_spans), resource_spans)))
{%- endmacro %}

{% macro spans(source) %}
        SELECT
            _topic, _partition, _offset, message_ts, resource_attributes, scope.name AS scope_name, scope.version AS scope_version,
            span.trace_id AS trace_bytes,
            span.span_id AS span_bytes,
            span.parent_span_id AS parent_bytes,
            span.name AS operation,
            span.kind AS kind_number,
            span.start_time_unix_nano AS start_nano,
            span.end_time_unix_nano AS end_nano,
            span.status.message AS status_message,
            span.status.code AS status_number,
            mapKeys(span.attributes) AS attribute_keys,
            arrayMap(x -> {{ otlp.any_text('x', 2) }}, mapValues(span.attributes)) AS attribute_values,
            arrayMap(e -> (e.time_unix_nano, e.name, {{ otlp.map_text('e.attributes', 1) }}), span.events) AS span_events,
            arrayMap(l -> (l.trace_id, l.span_id, {{ otlp.map_text('l.attributes', 0) }}), span.links) AS span_links
        FROM
        (
            SELECT _topic, _partition, _offset, message_ts, resource_attributes, scope_span.scope AS scope, scope_span.spans AS spans
            FROM
            (
                SELECT
                    _topic, _partition, _offset, message_ts,
                    {{ otlp.map_text('resource_span.resource.attributes', 1) }} AS resource_attributes,
                    resource_span.scope_spans AS scope_spans
                FROM
                (
                    SELECT _topic, _partition, _offset, {{ otlp.message_ts() }} AS message_ts, resource_spans
                    FROM {{ source }}
                    WHERE _error = ''
                )
                ARRAY JOIN resource_spans AS resource_span
            )
            ARRAY JOIN scope_spans AS scope_span
        )
        ARRAY JOIN spans AS span
{%- endmacro %}

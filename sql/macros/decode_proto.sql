{# OTLP as protobuf: the Kafka tables' columns, and one row a span or log record with every value in its final text.
   tupleElement(span, 'name'), not span.name: to resolve the latter, the planner lists every subcolumn of the type, at more
   than a millisecond a name and block. #}
{% import 'macros/otlp.sql' as otlp with context %}
{% import 'macros/shards.sql' as shard with context %}
{% set expand_message = 'topic, partition, offset, message_ts, ingest_ts, oldest_nano, newest_nano, hour_nano' %}

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

{# Spans in a message. #}
{% macro span_count() -%}
length(arrayFlatten(tupleElement(tupleElement(tupleElement(resource_spans, 'scope_spans'), 'spans'), 'kind')))
{%- endmacro %}

{% macro opened(source) %}
{{ otlp.opened(source, 'resource_spans', 'scope_spans', otlp.map_text("tupleElement(tupleElement(resource, 'resource'), 'attributes')")) }}
{%- endmacro %}

{% macro resources(source) %}
{{ otlp.resources(source, 'scope_spans') }}
{%- endmacro %}

{% macro scopes(source) %}
SELECT
    * EXCEPT (scope_span),
    tupleElement(tupleElement(scope_span, 'scope'), 'name') AS scope_name,
    tupleElement(tupleElement(scope_span, 'scope'), 'version') AS scope_version,
    tupleElement(scope_span, 'spans') AS spans
FROM (SELECT * EXCEPT (scope_spans), arrayJoin(scope_spans) AS scope_span FROM {{ source }})
{%- endmacro %}

{% macro spans(source) %}
SELECT
    {{ expand_message }}, tenant_id, env, service_name, resource_attributes, keep_content, retention_days,
    scope_name, scope_version,
    tupleElement(span, 'trace_id') AS trace_bytes,
    tupleElement(span, 'span_id') AS span_bytes,
    tupleElement(span, 'parent_span_id') AS parent_bytes,
    tupleElement(span, 'name') AS operation,
    if(tupleElement(span, 'kind') BETWEEN 0 AND 5, tupleElement(span, 'kind'), 0) AS kind,
    if(tupleElement(tupleElement(span, 'status'), 'code') BETWEEN 0 AND 2, tupleElement(tupleElement(span, 'status'), 'code'), 0) AS status_code,
    tupleElement(tupleElement(span, 'status'), 'message') AS status_message,
    tupleElement(span, 'start_time_unix_nano') AS start_nano,
    tupleElement(span, 'end_time_unix_nano') AS end_nano,
    mapKeys(tupleElement(span, 'attributes')) AS attribute_keys,
    {{ otlp.texts("mapValues(tupleElement(span, 'attributes'))") }} AS attribute_values,
    tupleElement(span, 'events') AS read_events,
    tupleElement(span, 'links') AS read_links
FROM {{ source }}
ARRAY JOIN spans AS span
{%- if shards.count > 1 %}

WHERE {{ shard.kept("tupleElement(span, 'trace_id')", "tupleElement(span, 'span_id'), tupleElement(span, 'start_time_unix_nano')") }}
{%- endif %}
{%- endmacro %}

{# A step of its own for these: with the attributes in one query, planning took twice the time of the two. #}
{% macro listed(source) %}
SELECT
    * EXCEPT (read_events, read_links),
    arrayMap((nano, name, map) -> (nano, name, {{ otlp.map_text('map') }}, nano BETWEEN oldest_nano AND newest_nano), tupleElement(read_events, 'time_unix_nano'), tupleElement(read_events, 'name'), tupleElement(read_events, 'attributes')) AS span_events,
    arrayMap((trace, span, map) -> (toFixedString(substring(trace, 1, 16), 16), toFixedString(substring(span, 1, 8), 8), {{ otlp.map_text('map', true) }}), tupleElement(read_links, 'trace_id'), tupleElement(read_links, 'span_id'), tupleElement(read_links, 'attributes')) AS links
FROM {{ source }}
{%- endmacro %}

{% set span_steps = [('opened', opened), ('resources', resources), ('scopes', scopes), ('decoded', spans), ('listed', listed)] %}

{% macro logs_columns() %}
    resource_logs Array(Tuple(
        resource Tuple(attributes Map(String, {{ otlp.any_type(1) }})),
        scope_logs Array(Tuple(
            log_records Array(Tuple(
                time_unix_nano UInt64,
                observed_time_unix_nano UInt64,
                severity_number Int32,
                severity_text String,
                event_name String,
                trace_id String,
                span_id String,
                body {{ otlp.any_type(4) }},
                attributes Map(String, {{ otlp.any_type(4) }})
            ))
        ))
    ))
{%- endmacro %}

{% macro log_count() -%}
length(arrayFlatten(tupleElement(tupleElement(tupleElement(resource_logs, 'scope_logs'), 'log_records'), 'severity_number')))
{%- endmacro %}

{% macro log_opened(source) %}
{{ otlp.opened(source, 'resource_logs', 'scope_logs', otlp.map_text("tupleElement(tupleElement(resource, 'resource'), 'attributes')")) }}
{%- endmacro %}

{% macro log_resources(source) %}
{{ otlp.resources(source, 'scope_logs') }}
{%- endmacro %}

{% macro log_scopes(source) %}
SELECT * EXCEPT (scope_logs), tupleElement(arrayJoin(scope_logs), 'log_records') AS records
FROM {{ source }}
{%- endmacro %}

{% macro logs(source) %}
SELECT
    {{ expand_message }}, tenant_id, env, service_name, keep_content, retention_days,
    tupleElement(record, 'time_unix_nano') AS time_nano,
    tupleElement(record, 'observed_time_unix_nano') AS observed_nano,
    tupleElement(record, 'severity_number') AS severity_number,
    tupleElement(record, 'severity_text') AS severity_text,
    tupleElement(record, 'event_name') AS event_name,
    tupleElement(record, 'trace_id') AS trace_bytes,
    tupleElement(record, 'span_id') AS span_bytes,
    {{ otlp.any_text("tupleElement(record, 'body')") }} AS body,
    tupleElement(tupleElement(record, 'body'), 'value') IN ('array_value', 'kvlist_value') AS body_is_json,
    mapKeys(tupleElement(record, 'attributes')) AS attribute_keys,
    {{ otlp.texts("mapValues(tupleElement(record, 'attributes'))") }} AS attribute_values
FROM {{ source }}
ARRAY JOIN records AS record
{%- if shards.count > 1 %}

WHERE {{ shard.kept("tupleElement(record, 'trace_id')", "if(tupleElement(record, 'time_unix_nano') = 0, tupleElement(record, 'observed_time_unix_nano'), tupleElement(record, 'time_unix_nano'))") }}
{%- endif %}
{%- endmacro %}

{% set log_steps = [('opened', log_opened), ('resources', log_resources), ('scopes', log_scopes), ('decoded', logs)] %}

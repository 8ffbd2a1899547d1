{# OTLP as JSON, as the collector's Kafka exporter writes it: hex ids, 64-bit integers as strings, enums as numbers.
   Everything is read as text, so that an odd value spoils itself and not the whole message; lists stay raw OTLP JSON. #}
{% import 'macros/otlp.sql' as otlp with context %}
{% import 'macros/shards.sql' as shard with context %}
{% set expand_message = 'topic, partition, offset, message_ts, ingest_ts, oldest_nano, newest_nano, hour_nano' %}

{% macro any_type() -%}
Tuple(stringValue Nullable(String), boolValue Nullable(String), intValue Nullable(String), doubleValue Nullable(String), arrayValue Nullable(String), kvlistValue Nullable(String), bytesValue Nullable(String))
{%- endmacro %}

{% macro attributes_type() -%}
Array(Tuple(key String, value {{ any_type() }}))
{%- endmacro %}

{# Lists are unwrapped by one regular expression, like the protobuf ones (infra/schema_text.py). White space goes, empty
   lists, unset values and empty keys (left out by the collector) are brought into one form; the quotes of strings are escaped, so the texts replaced are never theirs. #}
{% macro list_json(raw, key) -%}
replaceRegexpAll(replaceAll(replaceAll(replaceAll(replaceAll(replaceAll(concat('{"{{ key }}":', replaceRegexpAll(assumeNotNull({{ raw }}), {{ nested.json_space | sql_string }}, '\\1'), '}'), '{"kvlistValue":{"values":[]}}', '{"kvlistValue":{}}'), '{"arrayValue":{}}', '{"arrayValue":{"values":[]}}'), '"value":{}', '"value":null'), '{"value":', '{"key":"","value":'), ',"value":', ':'), {{ nested.json_pattern | sql_string }}, {{ nested.replacement | sql_string }})
{%- endmacro %}

{% macro any_text(v) -%}
multiIf({{ v }}.stringValue IS NOT NULL, assumeNotNull({{ v }}.stringValue), {{ v }}.intValue IS NOT NULL, assumeNotNull({{ v }}.intValue), {{ v }}.arrayValue IS NOT NULL, {{ list_json(v ~ '.arrayValue', 'arrayValue') }}, {{ v }}.kvlistValue IS NOT NULL, {{ list_json(v ~ '.kvlistValue', 'kvlistValue') }}, coalesce({{ v }}.boolValue, {{ v }}.doubleValue, {{ v }}.bytesValue, 'null'))
{%- endmacro %}

{% macro map_text(list) -%}
mapFromArrays({{ list }}.key, arrayMap(x -> {{ any_text('x') }}, {{ list }}.value))
{%- endmacro %}

{# The bytes of a hex id; of anything else the text itself, which then counts as a wrong id. #}
{% macro id_bytes(text) -%}
if(match({{ text }}, '^([0-9a-fA-F]{2})*$'), unhex({{ text }}), {{ text }})
{%- endmacro %}

{% macro spans_columns() %}
    resourceSpans Array(Tuple(
        resource Tuple(attributes {{ attributes_type() }}),
        scopeSpans Array(Tuple(
            scope Tuple(name String, version String),
            spans Array(Tuple(
                traceId String,
                spanId String,
                parentSpanId String,
                name String,
                kind String,
                startTimeUnixNano String,
                endTimeUnixNano String,
                attributes {{ attributes_type() }},
                events Array(Tuple(timeUnixNano String, name String, attributes {{ attributes_type() }})),
                links Array(Tuple(traceId String, spanId String, attributes {{ attributes_type() }})),
                status Tuple(message String, code String)
            ))
        ))
    ))
{%- endmacro %}

{% macro format_settings(message) %}
    kafka_format = 'JSONEachRow',
    input_format_skip_unknown_fields = 1,
    input_format_null_as_default = 1,
    input_format_json_ignore_unknown_keys_in_named_tuple = 1,
    input_format_json_defaults_for_missing_elements_in_named_tuple = 1,
    input_format_json_read_numbers_as_strings = 1,
    input_format_json_read_bools_as_strings = 1,
    input_format_json_read_objects_as_strings = 1,
    input_format_json_read_arrays_as_strings = 1
{%- endmacro %}

{% macro span_count() -%}
length(arrayFlatten(tupleElement(tupleElement(tupleElement(resourceSpans, 'scopeSpans'), 'spans'), 'kind')))
{%- endmacro %}

{% macro opened(source) %}
{{ otlp.opened(source, 'resourceSpans', 'scopeSpans', map_text("tupleElement(tupleElement(resource, 'resource'), 'attributes')")) }}
{%- endmacro %}

{% macro resources(source) %}
{{ otlp.resources(source, 'scopeSpans') }}
{%- endmacro %}

{% macro scopes(source) %}
SELECT
    * EXCEPT (scope_span),
    tupleElement(tupleElement(scope_span, 'scope'), 'name') AS scope_name,
    tupleElement(tupleElement(scope_span, 'scope'), 'version') AS scope_version,
    tupleElement(scope_span, 'spans') AS spans
FROM (SELECT * EXCEPT (scopeSpans), arrayJoin(scopeSpans) AS scope_span FROM {{ source }})
{%- endmacro %}

{% macro spans(source) %}
SELECT
    {{ expand_message }}, tenant_id, env, service_name, resource_attributes, keep_content, retention_days,
    scope_name, scope_version,
    {{ id_bytes("tupleElement(span, 'traceId')") }} AS trace_bytes,
    {{ id_bytes("tupleElement(span, 'spanId')") }} AS span_bytes,
    {{ id_bytes("tupleElement(span, 'parentSpanId')") }} AS parent_bytes,
    tupleElement(span, 'name') AS operation,
    if(toInt32OrZero(tupleElement(span, 'kind')) BETWEEN 0 AND 5, toInt32OrZero(tupleElement(span, 'kind')), 0) AS kind,
    if(toInt32OrZero(tupleElement(tupleElement(span, 'status'), 'code')) BETWEEN 0 AND 2, toInt32OrZero(tupleElement(tupleElement(span, 'status'), 'code')), 0) AS status_code,
    tupleElement(tupleElement(span, 'status'), 'message') AS status_message,
    toUInt64OrZero(tupleElement(span, 'startTimeUnixNano')) AS start_nano,
    toUInt64OrZero(tupleElement(span, 'endTimeUnixNano')) AS end_nano,
    tupleElement(tupleElement(span, 'attributes'), 'key') AS attribute_keys,
    arrayMap(x -> {{ any_text('x') }}, tupleElement(tupleElement(span, 'attributes'), 'value')) AS attribute_values,
    tupleElement(span, 'events') AS read_events,
    tupleElement(span, 'links') AS read_links
FROM {{ source }}
ARRAY JOIN spans AS span
{%- if shards.count > 1 %}

WHERE {{ shard.kept(id_bytes("tupleElement(span, 'traceId')"), "tupleElement(span, 'spanId'), tupleElement(span, 'startTimeUnixNano')") }}
{%- endif %}
{%- endmacro %}

{# A step of its own for these: with the attributes in one query, planning took twice the time of the two. #}
{% macro listed(source) %}
SELECT
    * EXCEPT (read_events, read_links),
    arrayMap(e -> (toUInt64OrZero(tupleElement(e, 'timeUnixNano')), tupleElement(e, 'name'), {{ map_text("tupleElement(e, 'attributes')") }}, toUInt64OrZero(tupleElement(e, 'timeUnixNano')) BETWEEN oldest_nano AND newest_nano), read_events) AS span_events,
    arrayMap(l -> (toFixedString(substring({{ id_bytes("tupleElement(l, 'traceId')") }}, 1, 16), 16), toFixedString(substring({{ id_bytes("tupleElement(l, 'spanId')") }}, 1, 8), 8), {{ map_text("tupleElement(l, 'attributes')") }}), read_links) AS links
FROM {{ source }}
{%- endmacro %}

{% set span_steps = [('opened', opened), ('resources', resources), ('scopes', scopes), ('decoded', spans), ('listed', listed)] %}

{% macro logs_columns() %}
    resourceLogs Array(Tuple(
        resource Tuple(attributes {{ attributes_type() }}),
        scopeLogs Array(Tuple(
            logRecords Array(Tuple(
                timeUnixNano String,
                observedTimeUnixNano String,
                severityNumber String,
                severityText String,
                eventName String,
                traceId String,
                spanId String,
                body {{ any_type() }},
                attributes {{ attributes_type() }}
            ))
        ))
    ))
{%- endmacro %}

{% macro log_count() -%}
length(arrayFlatten(tupleElement(tupleElement(tupleElement(resourceLogs, 'scopeLogs'), 'logRecords'), 'severityNumber')))
{%- endmacro %}

{% macro log_opened(source) %}
{{ otlp.opened(source, 'resourceLogs', 'scopeLogs', map_text("tupleElement(tupleElement(resource, 'resource'), 'attributes')")) }}
{%- endmacro %}

{% macro log_resources(source) %}
{{ otlp.resources(source, 'scopeLogs') }}
{%- endmacro %}

{% macro log_scopes(source) %}
SELECT * EXCEPT (scopeLogs), tupleElement(arrayJoin(scopeLogs), 'logRecords') AS records
FROM {{ source }}
{%- endmacro %}

{% macro logs(source) %}
SELECT
    {{ expand_message }}, tenant_id, env, service_name, keep_content, retention_days,
    toUInt64OrZero(tupleElement(record, 'timeUnixNano')) AS time_nano,
    toUInt64OrZero(tupleElement(record, 'observedTimeUnixNano')) AS observed_nano,
    toInt32OrZero(tupleElement(record, 'severityNumber')) AS severity_number,
    tupleElement(record, 'severityText') AS severity_text,
    tupleElement(record, 'eventName') AS event_name,
    {{ id_bytes("tupleElement(record, 'traceId')") }} AS trace_bytes,
    {{ id_bytes("tupleElement(record, 'spanId')") }} AS span_bytes,
    {{ any_text("tupleElement(record, 'body')") }} AS body,
    tupleElement(tupleElement(record, 'body'), 'arrayValue') IS NOT NULL OR tupleElement(tupleElement(record, 'body'), 'kvlistValue') IS NOT NULL AS body_is_json,
    tupleElement(tupleElement(record, 'attributes'), 'key') AS attribute_keys,
    arrayMap(x -> {{ any_text('x') }}, tupleElement(tupleElement(record, 'attributes'), 'value')) AS attribute_values
FROM {{ source }}
ARRAY JOIN records AS record
{%- if shards.count > 1 %}

WHERE {{ shard.kept(id_bytes("tupleElement(record, 'traceId')"), "if(toUInt64OrZero(tupleElement(record, 'timeUnixNano')) = 0, tupleElement(record, 'observedTimeUnixNano'), tupleElement(record, 'timeUnixNano'))") }}
{%- endif %}
{%- endmacro %}

{% set log_steps = [('opened', log_opened), ('resources', log_resources), ('scopes', log_scopes), ('decoded', logs)] %}

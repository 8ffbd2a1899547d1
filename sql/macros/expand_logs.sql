{# From decoded log records (either encoding) to events_raw and content. Nothing here may throw. #}
{% import 'macros/lift.sql' as lift with context %}
{% import 'macros/otlp.sql' as otlp with context %}
{% set content_id = aliases.content_code * aliases.ranks %}

{% macro numbered(source) %}
SELECT
    *,
    {{ lift.ids_of_array('attribute_keys') }} AS ids,
    multiIf(time_nano BETWEEN oldest_nano AND newest_nano, time_nano, observed_nano BETWEEN oldest_nano AND newest_nano, observed_nano, hour_nano) AS event_nano
FROM {{ source }}
{%- endmacro %}

{% macro known(source) %}
SELECT
    *,
    {{ lift.known('ids', 'attribute_keys', 'attribute_values') }} AS known,
    mapFromArrays(arrayFilter((k, i) -> i < {{ content_id }}, attribute_keys, ids), arrayFilter((v, i) -> i < {{ content_id }}, attribute_values, ids)) AS attributes,
    arrayZip(arrayFilter((k, i) -> i >= {{ content_id }}, attribute_keys, ids), arrayFilter((v, i) -> i >= {{ content_id }}, attribute_values, ids)) AS contents
FROM {{ source }}
{%- endmacro %}

{# A model's event (gen_ai.*) has its prompt or answer in the body: that is content too. #}
{% macro coded(source) %}
SELECT
    * EXCEPT (known{{ otlp.replaced }}),
    {% if tenant_of_record %}
    {{ otlp.own_tenant() }}
    {% endif %}
    {{ lift.codes('known') }} AS codes,
    arrayMap(x -> x.2, known) AS texts,
    multiIf(event_name != '', event_name, attributes['event.name'] != '', attributes['event.name'], 'log') AS event_type,
    startsWith(event_name, 'gen_ai.') OR startsWith(attributes['event.name'], 'gen_ai.') AS body_is_content
FROM {{ source }}
{%- endmacro %}

{% macro lifted(source) %}
SELECT
    topic, partition, offset, ingest_ts, tenant_id, env, service_name, keep_content, retention_days, event_type, severity_text, severity_number, contents, body, body_is_content,
    fromUnixTimestamp64Nano(toInt64(event_nano), 'UTC') AS event_ts,
    if(length(trace_bytes) = 16, toFixedString(substring(trace_bytes, 1, 16), 16), toFixedString('', 16)) AS trace_id,
    if(length(span_bytes) = 8, toFixedString(substring(span_bytes, 1, 8), 8), toFixedString('', 8)) AS span_id,
    concat('{"body":', multiIf(body_is_content, 'null', body_is_json, body, toJSONString(body)), ',"attributes":', toJSONString(attributes), '}') AS payload,
    {% for column in ['agent_name', 'model', 'tool_name', 'tokens_prompt', 'tokens_completion', 'cost_usd'] %}
    {{ lift.text(column) }} AS {{ column }}_text{{ ',' if not loop.last }}
    {% endfor %}
FROM {{ source }}
{%- endmacro %}

{% macro events(source) %}
SELECT
    tenant_id, env, service_name, event_type,
    'log' AS source,
    event_ts, trace_id, span_id,
    lower(if(severity_text != '', severity_text, ['', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'][if(severity_number BETWEEN 1 AND 24, intDiv(severity_number + 7, 4), 1)])) AS severity,
    replaceAll(payload, '\\/', '/') AS payload_json,
    agent_name_text AS agent_name, model_text AS model, tool_name_text AS tool_name,
    {{ lift.tokens('toFloat64OrNull(tokens_prompt_text)') }} AS tokens_prompt,
    {{ lift.tokens('toFloat64OrNull(tokens_completion_text)') }} AS tokens_completion,
    {{ lift.usd('cost_usd_text') }} AS cost_usd,
    sipHash64(payload, body, severity_number) AS event_key,
    retention_days, topic, partition, offset, ingest_ts
FROM {{ source }}
{%- endmacro %}

{% macro content(source) %}
SELECT
    tenant_id, event_ts AS ts, trace_id, span_id,
    'log' AS source,
    toUInt32(0) AS position,
    item.1 AS name, item.2 AS text, env, service_name, ingest_ts
FROM {{ source }}
ARRAY JOIN if(body_is_content AND body NOT IN ('', 'null'), arrayPushBack(contents, (event_type, body)), contents) AS item
WHERE keep_content
{%- endmacro %}

{% set steps = [('numbered', numbered), ('known', known), ('coded', coded), ('lifted', lifted)] %}

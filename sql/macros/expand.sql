{# From decoded spans (either encoding) to the columns of spans_in. Nothing here may throw: a view that does stops the
   consumer. What can't be used becomes NULL or a bound and its name goes to invalid_fields. #}
{% import 'macros/lift.sql' as lift with context %}
{% import 'macros/otlp.sql' as otlp with context %}
{% set no_id8 = "toFixedString('', 8)" %}

{# 16 (8) bytes that are not all zero are an id. Others get one made from what was sent, so that they stay apart and a
   repeat is still known as one. #}
{% macro trace_id(bytes) -%}
multiIf(NOT bad_trace_id, toFixedString(substring({{ bytes }}, 1, 16), 16), replaceAll({{ bytes }}, '\0', '') != '', sipHash128({{ bytes }}), sipHash128(trace_bytes, span_bytes, operation, start_nano, end_nano, attribute_keys, attribute_values))
{%- endmacro %}

{% macro span_id(bytes) -%}
if(NOT bad_span_id, toFixedString(substring({{ bytes }}, 1, 8), 8), reinterpretAsFixedString(sipHash64(trace_bytes, span_bytes, operation, start_nano, end_nano, attribute_keys, attribute_values)))
{%- endmacro %}

{% macro parent_id(bytes) -%}
multiIf(replaceAll({{ bytes }}, '\0', '') = '', {{ no_id8 }}, length({{ bytes }}) = 8, toFixedString(substring({{ bytes }}, 1, 8), 8), reinterpretAsFixedString(sipHash64({{ bytes }})))
{%- endmacro %}


{# Each macro is one step from a table to the next. The tables between the steps have engine Null: ClickHouse plans a view's
   query anew for every block, and the planning time of nested subqueries multiplies (all in one query took 4 s, in steps
   it takes some 10 ms each). For the same reason no step uses an alias of its own more than it must. #}
{% set content_id = aliases.content_code * aliases.ranks %}
{% set numbers = ['tokens_prompt', 'tokens_completion', 'tokens_cached', 'tokens_reasoning'] %}
{% set texts = ['gen_ai_operation', 'agent_name', 'agent_version', 'workflow_id', 'session_id', 'user_id', 'tool_name', 'prompt_name', 'prompt_version', 'provider', 'model', 'finish_reason', 'error_type', 'exception_message'] | join(', ') %}
{% set message = 'topic, partition, offset, message_ts, ingest_ts' %}
{% set resource = 'tenant_id, env, service_name, resource_attributes, keep_content, retention_days' %}
{% set span = 'operation, kind, status_code, status_message, start_ts, end_ts, duration_ms, trace_id, span_id, parent_span_id, scope_name, scope_version, links, attributes, events, content, events_content' %}

{# Numbers for the attributes, bounds for the times. #}
{% macro numbered(source) %}
SELECT
    *,
    {{ lift.ids_of_array('attribute_keys') }} AS ids,
    start_nano BETWEEN oldest_nano AND newest_nano AS start_ok,
    end_nano BETWEEN oldest_nano AND newest_nano AS end_believed,
    arrayFirst(e -> e.2 = 'exception', span_events).3 AS exception
FROM {{ source }}
{%- endmacro %}

{# What is known among the attributes, by precedence. #}
{% macro known(source) %}
SELECT
    *,
    {{ lift.known('ids', 'attribute_keys', 'attribute_values') }} AS known,
    arrayExists(i -> i >= {{ content_id }}, ids) AS has_content,
    multiIf(start_ok, start_nano, end_believed, end_nano, hour_nano) AS start_used,
    length(trace_bytes) != 16 OR trace_bytes = repeat('\0', 16) AS bad_trace_id,
    length(span_bytes) != 8 OR span_bytes = repeat('\0', 8) AS bad_span_id
FROM {{ source }}
{%- endmacro %}

{% macro coded(source) %}
SELECT
    * EXCEPT (known{{ otlp.replaced }}),
    {% if tenant_of_record %}
    {{ otlp.own_tenant() }}
    {% endif %}
    {{ lift.codes('known') }} AS codes,
    arrayMap(x -> x.2, known) AS texts,
    end_nano >= start_used AND end_believed AS end_ok
FROM {{ source }}
{%- endmacro %}

{# Every column's text. #}
{% macro lifted(source) %}
SELECT
    {{ message }}, {{ resource }}, operation, kind, status_code, status_message, scope_name, scope_version, links,
    fromUnixTimestamp64Nano(toInt64(start_used), 'UTC') AS start_ts,
    fromUnixTimestamp64Nano(toInt64(if(end_ok, end_nano, start_used)), 'UTC') AS end_ts,
    if(end_ok, (end_nano - start_used) / 1e6, 0.) AS duration_ms,
    start_ok, end_ok, bad_trace_id, bad_span_id,
    {{ parent_id('parent_bytes') }} AS parent_span_id,
    length(parent_bytes) NOT IN (0, 8) AS bad_parent,
    {{ trace_id('trace_bytes') }} AS trace_id,
    {{ span_id('span_bytes') }} AS span_id,
    {% for column, kind in aliases.kinds.items() %}
    {{ lift.column(column, kind) }} AS {{ column ~ '_text' if kind in ('tokens', 'usd') else column }},
    {% endfor %}
    texts[indexOf(codes, {{ aliases.arguments_code }})] AS tool_arguments,
    mapFromArrays(
        if(has_content, arrayFilter((k, i) -> i < {{ content_id }}, attribute_keys, ids), attribute_keys),
        if(has_content, arrayFilter((v, i) -> i < {{ content_id }}, attribute_values, ids), attribute_values)) AS attributes,
    arrayMap(e -> (fromUnixTimestamp64Nano(toInt64(if(e.4, e.1, start_used)), 'UTC'), e.2, mapFilter((k, v) -> {{ lift.ids('k') }} < {{ content_id }}, e.3)), span_events) AS events,
    if(keep_content AND has_content, arrayMap((k, v) -> (k, v), arrayFilter((k, i) -> i >= {{ content_id }}, attribute_keys, ids), arrayFilter((v, i) -> i >= {{ content_id }}, attribute_values, ids)), []) AS content,
    if(keep_content, arrayMap(e -> mapFilter((k, v) -> {{ lift.ids('k') }} >= {{ content_id }}, e.3), span_events), []) AS events_content
FROM {{ source }}
{%- endmacro %}

{# From text to types. #}
{% macro typed(source) %}
SELECT
    *,
    {% for column in numbers %}
    {{ lift.tokens('toFloat64OrNull(' ~ column ~ '_text)') }} AS {{ column }},
    {% endfor %}
    {{ lift.usd('cost_usd_text') }} AS reported_usd
FROM {{ source }}
{%- endmacro %}

{# Whether it is a model call, its price, and what arrived unusable. #}
{% macro priced(source) %}
SELECT
    *,
    if(tool_name = '', 0, sipHash64(agent_name, tool_name, tool_arguments)) AS tool_call_hash,
    {{ lift.is_inference() }} AS is_inference,
    if(is_inference AND reported_usd IS NULL, {{ lift.price('toDateTime(start_ts)') }}, {{ lift.no_price() }}) AS price,
    arrayFilter((name, bad) -> bad, ['trace_id', 'span_id', 'parent_span_id', 'start_ts', 'end_ts', 'cost_usd', '{{ numbers | join("', '") }}'], [
        bad_trace_id, bad_span_id, bad_parent, NOT start_ok, NOT end_ok, cost_usd_text != '' AND reported_usd IS NULL,
        {% for column in numbers %}
        {{ column }}_text != '' AND {{ column }} IS NULL{{ ',' if not loop.last }}
        {% endfor %}
    ]) AS invalid_fields
FROM {{ source }}
{%- endmacro %}

{% macro costed(source) %}
SELECT
    * EXCEPT (price),
    {{ lift.priced('price') }} AS priced_usd
FROM {{ source }}
{%- endmacro %}

{% macro finished(source) %}
SELECT
    {{ resource | replace(', keep_content', '') }}, {{ span }}, {{ texts }}, tool_call_hash, {{ numbers | join(', ') }},
    ifNull(reported_usd, priced_usd) AS cost_usd,
    -- Failed without any usage: nothing was billed as far as anybody knows, and no price would tell more.
    multiIf(
        reported_usd IS NOT NULL, 'reported',
        NOT is_inference, 'none',
        status_code = 2 AND coalesce({{ numbers | join(', ') }}) IS NULL AND empty(invalid_fields), 'failed',
        priced_usd IS NOT NULL, 'priced',
        'unpriced'
    ) AS cost_source,
    is_inference, invalid_fields, topic, partition, offset, ingest_ts
FROM {{ source }}
{%- endmacro %}

{% set steps = [('numbered', numbered), ('known', known), ('coded', coded), ('lifted', lifted), ('typed', typed), ('priced', priced), ('costed', costed)] %}

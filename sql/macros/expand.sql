{# From decoded spans (either encoding) to the columns of spans_in. Nothing here may throw: a view that does stops the
   consumer. What can't be used becomes NULL or a bound and its name goes to invalid_fields. #}
{% import 'macros/lift.sql' as lift with context %}
{% import 'macros/otlp.sql' as otlp with context %}
{% set no_id8 = "toFixedString('', 8)" %}

{# 16 (8) bytes that are not all zero are an id. Others get one made from what was sent, so that they stay apart and a
   repeat is still known as one. #}
{% macro trace_id(bytes) -%}
multiIf(length({{ bytes }}) = 16 AND {{ bytes }} != repeat('\0', 16), toFixedString(substring({{ bytes }}, 1, 16), 16), replaceAll({{ bytes }}, '\0', '') != '', sipHash128({{ bytes }}), sipHash128(identity))
{%- endmacro %}

{% macro span_id(bytes) -%}
if(length({{ bytes }}) = 8 AND {{ bytes }} != repeat('\0', 8), toFixedString(substring({{ bytes }}, 1, 8), 8), reinterpretAsFixedString(sipHash64(identity)))
{%- endmacro %}

{% macro parent_id(bytes) -%}
multiIf(replaceAll({{ bytes }}, '\0', '') = '', {{ no_id8 }}, length({{ bytes }}) = 8, toFixedString(substring({{ bytes }}, 1, 8), 8), reinterpretAsFixedString(sipHash64({{ bytes }})))
{%- endmacro %}

{% macro keep_content(tenant) -%}
dictGetOrDefault('{{ database }}.tenant', 'keep_content', {{ tenant }}, dictGetOrDefault('{{ database }}.tenant', 'keep_content', '*', toUInt8(0)))
{%- endmacro %}

{% macro spans(decoded) %}
    SELECT
        tenant_id, env, service_name, operation, kind, status_code, status_message, start_ts, end_ts, duration_ms,
        trace_id, span_id, parent_span_id, scope_name, scope_version, links, attributes, resource_attributes,
        gen_ai_operation, agent_name, agent_version, workflow_id, session_id, user_id, tool_name,
        if(tool_name = '', 0, sipHash64(agent_name, tool_name, tool_arguments)) AS tool_call_hash,
        prompt_name, prompt_version, provider, model, finish_reason, error_type, exception_message,
        tokens_prompt, tokens_completion, tokens_cached, tokens_reasoning,
        if(reported_usd IS NOT NULL, reported_usd, priced_usd) AS cost_usd,
        multiIf(NOT is_inference, if(reported_usd IS NULL, 'none', 'reported'), reported_usd IS NOT NULL, 'reported', priced_usd IS NOT NULL, 'priced', 'unpriced') AS cost_source,
        is_inference, invalid_fields, retention_days, topic, partition, offset, ingest_ts, events, content
    FROM
    (
        SELECT
            *,
            if(is_inference AND reported_usd IS NULL, {{ lift.priced('price') }}, NULL) AS priced_usd
        FROM
        (
            SELECT
                *,
                if(is_inference AND reported_usd IS NULL, {{ lift.price('toDateTime(start_ts)') }}, {{ lift.no_price() }}) AS price
            FROM
            (
                SELECT
                    *,
                    {% for column in ['tokens_prompt', 'tokens_completion', 'tokens_cached', 'tokens_reasoning'] %}
                    {{ lift.tokens(column ~ '_text') }} AS {{ column }},
                    {% endfor %}
                    {{ lift.usd('cost_usd_text') }} AS reported_usd,
                    gen_ai_operation IN {{ lift.inference_operations }} OR (gen_ai_operation = '' AND model != '' AND (tokens_prompt IS NOT NULL OR tokens_completion IS NOT NULL)) AS is_inference,
                    arrayFilter((name, bad) -> bad, ['trace_id', 'span_id', 'parent_span_id', 'start_ts', 'end_ts', 'tokens_prompt', 'tokens_completion', 'tokens_cached', 'tokens_reasoning', 'cost_usd'], [
                        length(trace_bytes) != 16 OR trace_bytes = repeat('\0', 16),
                        length(span_bytes) != 8 OR span_bytes = repeat('\0', 8),
                        length(parent_bytes) NOT IN (0, 8),
                        NOT start_ok,
                        NOT end_ok,
                        {% for column in ['tokens_prompt', 'tokens_completion', 'tokens_cached', 'tokens_reasoning'] %}
                        {{ column }}_text != '' AND {{ column }} IS NULL,
                        {% endfor %}
                        cost_usd_text != '' AND reported_usd IS NULL
                    ]) AS invalid_fields
                FROM
                (
                    SELECT
                        _topic AS topic, _partition AS partition, _offset AS offset, ingest_ts,
                        tenant_id,
                        multiIf(resource_attributes['deployment.environment.name'] != '', resource_attributes['deployment.environment.name'], resource_attributes['deployment.environment'] != '', resource_attributes['deployment.environment'], {{ default_env | sql_string }}) AS env,
                        if(resource_attributes['service.name'] = '', 'unknown', resource_attributes['service.name']) AS service_name,
                        operation,
                        if(kind_number BETWEEN 0 AND 5, kind_number, 0) AS kind,
                        if(status_number BETWEEN 0 AND 2, status_number, 0) AS status_code,
                        status_message,
                        start_ok, end_ok,
                        fromUnixTimestamp64Nano(toInt64(start_used), 'UTC') AS start_ts,
                        fromUnixTimestamp64Nano(toInt64(end_used), 'UTC') AS end_ts,
                        (end_used - start_used) / 1e6 AS duration_ms,
                        trace_bytes, span_bytes, parent_bytes,
                        {{ trace_id('trace_bytes') }} AS trace_id,
                        {{ span_id('span_bytes') }} AS span_id,
                        {{ parent_id('parent_bytes') }} AS parent_span_id,
                        scope_name, scope_version,
                        arrayMap(l -> (toFixedString(substring(l.1, 1, 16), 16), toFixedString(substring(l.2, 1, 8), 8), l.3), span_links) AS links,
                        mapFromArrays(
                            arrayFilter((k, i) -> i < {{ aliases.content_code * aliases.ranks }}, attribute_keys, ids),
                            arrayFilter((v, i) -> i < {{ aliases.content_code * aliases.ranks }}, attribute_values, ids)) AS attributes,
                        resource_attributes,
                        {% for column, kind in aliases.kinds.items() %}
                        {% if kind in ('tokens', 'usd') %}
                        {{ lift.text(column) }} AS {{ column }}_text,
                        {% elif kind == 'list' %}
                        {{ lift.list(column) }} AS {{ column }},
                        {% elif aliases['values'][column] %}
                        {{ lift.mapped(column) }} AS {{ column }},
                        {% elif column == 'error_type' %}
                        if({{ lift.text(column) }} = '', exception['exception.type'], {{ lift.text(column) }}) AS {{ column }},
                        {% elif column == 'exception_message' %}
                        if({{ lift.text(column) }} = '', exception['exception.message'], {{ lift.text(column) }}) AS {{ column }},
                        {% else %}
                        {{ lift.text(column) }} AS {{ column }},
                        {% endif %}
                        {% endfor %}
                        texts[indexOf(codes, {{ aliases.arguments_code }})] AS tool_arguments,
                        dictGetOrDefault('{{ database }}.tenant', 'retention_days', tenant_id, toUInt16(0)) AS retention_days,
                        arrayMap(e -> (fromUnixTimestamp64Nano(toInt64(if({{ otlp.time_ok('e.1') }}, e.1, start_used)), 'UTC'), e.2, mapFilter((k, v) -> {{ lift.ids('k') }} < {{ aliases.content_code * aliases.ranks }}, e.3)), span_events) AS events,
                        if(keep_content, arrayConcat(
                            arrayMap((k, v) -> ('span', k, toUInt32(0), v), arrayFilter((k, i) -> i >= {{ aliases.content_code * aliases.ranks }}, attribute_keys, ids), arrayFilter((v, i) -> i >= {{ aliases.content_code * aliases.ranks }}, attribute_values, ids)),
                            arrayFlatten(arrayMap((e, n) -> arrayMap(k -> ('event', k, toUInt32(n), e.3[k]), arrayFilter(k -> {{ lift.ids('k') }} >= {{ aliases.content_code * aliases.ranks }}, mapKeys(e.3))), span_events, arrayEnumerate(span_events)))
                        ), []) AS content
                    FROM
                    (
                        SELECT
                            *,
                            {{ lift.codes('known') }} AS codes,
                            arrayMap(x -> x.2, known) AS texts,
                            multiIf(resource_attributes['tenant.id'] != '', resource_attributes['tenant.id'], texts[indexOf(codes, {{ aliases.tenant_code }})] != '', texts[indexOf(codes, {{ aliases.tenant_code }})], 'default') AS tenant_id,
                            {{ keep_content('tenant_id') }} AS keep_content,
                            start_used + if(end_ok, end_nano - start_used, 0) AS end_used
                        FROM
                        (
                            SELECT
                                *,
                                now64(3) AS ingest_ts,
                                {{ lift.ids_of_array('attribute_keys') }} AS ids,
                                {{ lift.known('ids', 'attribute_values') }} AS known,
                                {{ otlp.time_ok('start_nano') }} AS start_ok,
                                {{ otlp.start_nano('start_nano', 'end_nano') }} AS start_used,
                                end_nano >= start_used AND {{ otlp.time_ok('end_nano') }} AS end_ok,
                                arrayFirst(e -> e.2 = 'exception', span_events).3 AS exception,
                                (trace_bytes, span_bytes, operation, start_nano, end_nano, attribute_keys, attribute_values) AS identity
                            FROM
                            (
{{ decoded }}
                            )
                        )
                    )
                )
            )
        )
    )
{%- endmacro %}

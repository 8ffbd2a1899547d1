{# The columns of the rollup tables: the keys beside tenant_id, minute and generation, and the states. #}
{% set count = 'SimpleAggregateFunction(sum, UInt64)' %}
{% set usd = 'SimpleAggregateFunction(sum, Decimal(38, 12))' %}
{% set text = 'SimpleAggregateFunction(max, String)' %}
{% set latency = 'AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Float64)' %}
{% set label = 'LowCardinality(String)' %}
{% set tokens = {'tokens_prompt': count, 'tokens_completion': count, 'tokens_cached': count, 'tokens_reasoning': count} %}

{% set tables = {
    'spans_minute': {
        'by': {'env': label, 'service_name': label, 'operation': label, 'agent_name': label},
        'states': {
            'spans': count, 'errors': count, 'invalid': count, 'latency_ms': latency,
            'latency_histogram': 'SimpleAggregateFunction(sumMap, Map(UInt32, UInt64))',
            'traces': 'AggregateFunction(uniq, FixedString(16))',
        },
    },
    'cost_minute': {
        'by': {'env': label, 'provider': label, 'model': label, 'service_name': label, 'agent_name': label, 'workflow_id': label},
        'states': dict({'calls': count, 'unpriced_calls': count, 'cost_usd': usd}, **tokens),
    },
    'tools_minute': {
        'by': {'env': label, 'tool_name': label, 'agent_name': label},
        'states': {'calls': count, 'errors': count, 'latency_ms': latency},
    },
    'runs': {
        'by': {'trace_id': 'FixedString(16)'},
        'states': dict({
            'env': text, 'steps': count, 'model_calls': count, 'tool_calls': count, 'errors': count,
            'unpriced_calls': count, 'cost_usd': usd,
            'tool_call_counts': 'SimpleAggregateFunction(sumMap, Map(UInt64, UInt64))',
            'start_ts': "SimpleAggregateFunction(min, DateTime64(9, 'UTC'))",
            'end_ts': "SimpleAggregateFunction(max, DateTime64(9, 'UTC'))",
            'root_spans': count, 'root_status': 'SimpleAggregateFunction(max, Int8)', 'root_operation': text, 'root_service': text,
            'root_duration_ms': 'SimpleAggregateFunction(max, Float64)',
            'agent_name': text, 'root_agent': text, 'workflow_id': text, 'user_id': text, 'session_id': text,
        }, **tokens),
    },
} %}

{# Upper bounds in milliseconds; a key is the bound of its bucket, the last one catches the rest. #}
{% set latency_bounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000] %}
{% macro bucket(ms) -%}
toUInt32(ifNull(arrayFirstOrNull(b -> {{ ms }} <= b, {{ latency_bounds }}), 4294967295))
{%- endmacro %}

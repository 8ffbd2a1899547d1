-- Per-minute sums and states. The views at ingest write generation 0; a repair of a tenant's minute writes all its rows
-- under a new generation and then one row to rollup_generations, which flips every reader at once.
-- kind: metadata
{% set count = 'SimpleAggregateFunction(sum, UInt64)' %}
{% set usd = 'SimpleAggregateFunction(sum, Decimal(38, 12))' %}
{% set text = 'SimpleAggregateFunction(max, String)' %}
{% set latency = 'AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Float64)' %}
{% set label = 'LowCardinality(String)' %}
{% set tokens = {'tokens_prompt': count, 'tokens_completion': count, 'tokens_cached': count, 'tokens_reasoning': count} %}

{% set tables = {
    'spans_minute': {
        'by': {'env': label, 'service_name': label, 'operation': label, 'agent_name': label, 'entry': 'Bool'},
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

CREATE TABLE IF NOT EXISTS {{ database }}.rollup_generations
(
    tenant_id LowCardinality(String),
    minute DateTime('UTC'),
    generation UInt64 COMMENT 'unix milliseconds of the repair times 2^20, plus a random number: no two are the same',
    computed_at DateTime64(3, 'UTC')
)
ENGINE = {{ 'Replicated' if replicated }}ReplacingMergeTree(generation)
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, tenant_id)
TTL toDateTime(minute) + toIntervalDay({{ retention.rollups_days }}) DELETE{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

{% for name, table in tables.items() %}
CREATE TABLE IF NOT EXISTS {{ database }}.{{ name }}_data
(
    tenant_id LowCardinality(String),
    minute DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    generation UInt64,
{% for column, type in table['by'].items() %}
    {{ column }} {{ type }},
{% endfor %}
{% for column, type in table['states'].items() %}
    {{ column }} {{ type }}{{ ',' if not loop.last }}
{% endfor %}
)
ENGINE = {{ 'Replicated' if replicated }}AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (tenant_id, minute, {{ table['by'] | join(', ') }}, generation)
TTL toDateTime(minute) + toIntervalDay({{ retention.rollups_days }}) DELETE{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

{% endfor %}

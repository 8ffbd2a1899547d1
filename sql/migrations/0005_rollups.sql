-- Per-minute sums and states. The views at ingest write generation 0; a repair of a tenant's minute writes all its rows
-- under a new generation and then one row to rollup_generations, which flips every reader at once.
-- kind: metadata
{% import 'macros/ttl.sql' as ttl with context %}
{% import 'macros/rollups.sql' as rollups with context %}

CREATE TABLE IF NOT EXISTS {{ database }}.rollup_generations
(
    tenant_id LowCardinality(String),
    minute DateTime('UTC'),
    generation UInt64 COMMENT 'unix milliseconds of the repair',
    computed_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(generation)
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, tenant_id)
TTL {{ ttl.rollups('minute') }};

{% for name, table in rollups.tables.items() %}
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
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (tenant_id, minute, {{ table['by'] | join(', ') }}, generation)
TTL {{ ttl.rollups('minute') }};

{% endfor %}

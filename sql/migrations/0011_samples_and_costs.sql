-- What dashboards show beside what arrives: what the worker sampled of collectors and Kafka, other prices, the stack's own cost.
-- kind: metadata

-- ClickHouse can't see these. A row a collector process, signal and sample. The counters rise as long as the process lives: an increase is told within
-- one `instance`, and begins at 0 with it.
CREATE TABLE IF NOT EXISTS {{ database }}.collector_samples
(
    at DateTime64(3, 'UTC') COMMENT 'the same for everything that was sampled at once' CODEC(Delta(8), ZSTD(1)),
    task LowCardinality(String) COMMENT 'where it was asked',
    instance LowCardinality(String) COMMENT 'service.instance.id: another one with each start',
    started_at DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    signal LowCardinality(String) COMMENT 'traces or logs',
    accepted UInt64 COMMENT 'spans or log records answered with success' CODEC(T64, ZSTD(1)),
    refused UInt64 COMMENT 'answered with an error: the sender still has them' CODEC(T64, ZSTD(1)),
    sent UInt64 COMMENT 'that Kafka has acknowledged' CODEC(T64, ZSTD(1)),
    send_failed UInt64 COMMENT 'that Kafka did not acknowledge after all tries' CODEC(T64, ZSTD(1)),
    queue_bytes UInt64 COMMENT 'waiting for Kafka now' CODEC(T64, ZSTD(1)),
    queue_capacity_bytes UInt64 CODEC(T64, ZSTD(1)),
    memory_bytes UInt64 COMMENT 'of the process' CODEC(T64, ZSTD(1))
)
ENGINE = {{ 'Replicated' if replicated }}MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (at, signal, task)
TTL toDateTime(at) + INTERVAL 30 DAY{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

CREATE TABLE IF NOT EXISTS {{ database }}.kafka_samples
(
    at DateTime64(3, 'UTC') COMMENT 'the same for everything that was sampled at once' CODEC(Delta(8), ZSTD(1)),
    topic LowCardinality(String),
    partition UInt32 CODEC(T64, ZSTD(1)),
    consumer_group LowCardinality(String),
    oldest UInt64 COMMENT 'the oldest offset that Kafka still has' CODEC(T64, ZSTD(1)),
    next UInt64 COMMENT 'the offset that the next message gets' CODEC(T64, ZSTD(1)),
    committed Nullable(UInt64) COMMENT 'the next offset that the group will read; NULL: it has read nothing' CODEC(T64, ZSTD(1))
)
ENGINE = {{ 'Replicated' if replicated }}MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (at, topic, partition)
TTL toDateTime(at) + INTERVAL 30 DAY{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

-- The same tokens at other prices (configs/price_scenarios.yaml). Nothing is booked with them.
CREATE TABLE IF NOT EXISTS {{ database }}.price_scenarios
(
    scenario LowCardinality(String),
    provider LowCardinality(String) COMMENT 'empty: any provider',
    model String,
    valid_from DateTime('UTC'),
    valid_to DateTime('UTC') COMMENT 'inclusive',
    input_usd_per_million Decimal(18, 6),
    cached_usd_per_million Nullable(Decimal(18, 6)) COMMENT 'NULL: as input',
    output_usd_per_million Decimal(18, 6),
    reasoning_usd_per_million Nullable(Decimal(18, 6)) COMMENT 'NULL: as output',
    source String,
    removed Bool DEFAULT false,
    loaded_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = {{ 'Replicated' if replicated }}ReplacingMergeTree(loaded_at)
ORDER BY (scenario, provider, model, valid_from){{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

-- What the stack itself costs, estimated from its settings and the provider's price list.
CREATE TABLE IF NOT EXISTS {{ database }}.stack_costs
(
    part LowCardinality(String),
    usd_a_month Nullable(Decimal(18, 6)) COMMENT 'whatever the traffic; NULL: not known, and reading says why',
    usd_a_million_spans Nullable(Decimal(18, 6)) COMMENT 'beside it, by traffic',
    reading String,
    removed Bool DEFAULT false,
    loaded_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = {{ 'Replicated' if replicated }}ReplacingMergeTree(loaded_at)
ORDER BY part{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

-- Budgets: what the worker found, whom it told and how that went, what is used now, and which worker looks.
-- kind: metadata
{% set unhashed = ', replicated_deduplication_window = 0' if replicated %}
{% set engine = ('Replicated' if replicated) ~ 'MergeTree' %}

-- A row an event, perhaps twice with one event_id. An episode: one budget and one subject, from the first event to `resolved`.
CREATE TABLE IF NOT EXISTS {{ database }}.budget_events
(
    at DateTime64(3, 'UTC'),
    event_id String COMMENT 'webhook-id: the same however often it is sent',
    episode String,
    type LowCardinality(String) COMMENT 'warned, crossed or resolved',
    level Float64 COMMENT 'the share of the limit that was reached: 0.8, 1, 2; of resolved 0',
    budget LowCardinality(String),
    measure LowCardinality(String),
    scope LowCardinality(String),
    tenant_id String,
    subject String COMMENT 'the workflow, the agent or the trace id; empty: the tenant itself',
    used Float64,
    usage_limit Float64,
    model_calls UInt64,
    unpriced_calls UInt64,
    notify Bool COMMENT 'whether there is anybody to tell',
    give_up_at DateTime64(3, 'UTC') COMMENT 'until when telling is tried',
    body_json String COMMENT 'what the receiver gets'
)
ENGINE = {{ engine }}
ORDER BY at
TTL toDateTime(at) + toIntervalDay({{ retention.rollups_days }}) DELETE
SETTINGS index_granularity = 1024{{ unhashed }};

-- A row a try to tell.
CREATE TABLE IF NOT EXISTS {{ database }}.budget_deliveries
(
    at DateTime64(3, 'UTC') DEFAULT now64(3),
    event_id String,
    outcome LowCardinality(String) COMMENT 'delivered, failed (tried again) or abandoned (too old)',
    status UInt16 COMMENT 'of the receiver''s answer; 0: there was none',
    seconds Float64,
    error String
)
ENGINE = {{ engine }}
ORDER BY at
TTL toDateTime(at) + toIntervalDay({{ retention.rollups_days }}) DELETE
SETTINGS index_granularity = 1024{{ unhashed }};

-- The most used of each budget, each minute: what `telemetry budgets` and dashboards show.
CREATE TABLE IF NOT EXISTS {{ database }}.budget_usage
(
    at DateTime64(3, 'UTC'),
    budget LowCardinality(String),
    measure LowCardinality(String),
    scope LowCardinality(String),
    window LowCardinality(String),
    tenant_id String COMMENT 'empty: nobody has used anything',
    subject String,
    used Float64,
    usage_limit Float64,
    model_calls UInt64,
    unpriced_calls UInt64
)
ENGINE = {{ engine }}
ORDER BY (at, budget)
TTL toDateTime(at) + INTERVAL 30 DAY DELETE{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

-- What was used before the last minutes, by subject, so that a look of every few seconds reads those minutes only.
CREATE TABLE IF NOT EXISTS {{ database }}.budget_base
(
    budget LowCardinality(String),
    computed UInt64 COMMENT 'which computing the row belongs to',
    at DateTime('UTC') DEFAULT now(),
    tenant_id String,
    subject String,
    env String,
    workflow_id String,
    used Decimal(38, 12),
    model_calls UInt64,
    unpriced_calls UInt64
)
ENGINE = {{ engine }}
ORDER BY (budget, computed)
TTL at + INTERVAL 1 HOUR DELETE{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

-- Which worker evaluates and tells: the one that has held it longest and was heard of lately.
CREATE TABLE IF NOT EXISTS {{ database }}.worker_leases
(
    at DateTime64(3, 'UTC') DEFAULT now64(3),
    lease LowCardinality(String),
    holder String,
    taken_ms UInt64
)
ENGINE = {{ engine }}
ORDER BY (lease, at)
TTL toDateTime(at) + INTERVAL 1 HOUR DELETE{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

-- A row an episode: when it began, how far it went, whether it is over, whether somebody was told.
CREATE OR REPLACE VIEW {{ database }}.budget_crossings AS
SELECT
    e.episode AS episode,
    any(e.budget) AS budget,
    any(e.measure) AS measure,
    any(e.scope) AS scope,
    any(e.tenant_id) AS tenant_id,
    any(e.subject) AS subject,
    min(e.at) AS began,
    maxIf(e.at, e.type != 'resolved') AS last_event,
    max(e.level) AS level,
    max(e.used) AS used,
    argMax(e.usage_limit, e.at) AS usage_limit,
    if(countIf(e.type = 'resolved') = 0, NULL, maxIf(e.at, e.type = 'resolved')) AS resolved,
    max(e.notify) AS notify,
    minIf(d.delivered, d.delivered > 0) AS delivered,
    sum(d.tries) AS tries,
    argMaxIf(d.last_error, d.last_try, d.last_error != '') AS last_error
FROM
(
    SELECT event_id, any(episode) AS episode, any(type) AS type, max(level) AS level, any(budget) AS budget, any(measure) AS measure,
        any(scope) AS scope, any(tenant_id) AS tenant_id, any(subject) AS subject, min(at) AS at, max(used) AS used,
        any(usage_limit) AS usage_limit, max(notify) AS notify
    FROM {{ database }}.budget_events
    GROUP BY event_id
) AS e
LEFT JOIN
(
    SELECT event_id, minIf(at, outcome = 'delivered') AS delivered, count() AS tries, max(at) AS last_try, argMaxIf(error, at, error != '') AS last_error
    FROM {{ database }}.budget_deliveries
    GROUP BY event_id
) AS d ON d.event_id = e.event_id
GROUP BY e.episode;

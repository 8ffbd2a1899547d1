-- What each step of the worker found: `telemetry status`, dashboards and the worker itself (its watermarks) read it.
-- kind: metadata
CREATE TABLE IF NOT EXISTS {{ database }}.worker_results
(
    at DateTime64(3, 'UTC') DEFAULT now64(3),
    step LowCardinality(String) COMMENT 'recompute, audit, canary or tidy',
    ok Bool,
    value Float64 COMMENT 'The figure of the step: minutes repaired, differences found, seconds of delay',
    detail_json String
)
ENGINE = {{ 'Replicated' if replicated }}MergeTree
ORDER BY (step, at)
TTL toDateTime(at) + INTERVAL 30 DAY{{ ' SETTINGS replicated_deduplication_window = 0' if replicated }};

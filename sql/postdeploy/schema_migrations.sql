-- The runner's record: one row a statement that took effect. Only ever appended to.
CREATE TABLE IF NOT EXISTS {{ database }}.schema_migrations
(
    number UInt32,
    name String,
    kind LowCardinality(String),
    checksum String COMMENT 'sha256 of the file',
    statement UInt32 COMMENT 'From 1',
    statement_checksum String COMMENT 'sha256 of the statement as it was run',
    finished Bool COMMENT 'The file''s last statement',
    seconds Float64,
    runner String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = {{ 'Replicated' if replicated }}MergeTree
ORDER BY (number, statement, applied_at){{ ' SETTINGS replicated_deduplication_window = 0' if replicated }}

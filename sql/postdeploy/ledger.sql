-- What was applied, in the order in which it happened.
SELECT
    number,
    name,
    checksum,
    statement,
    statement_checksum,
    finished
FROM {{ database }}.schema_migrations
ORDER BY applied_at, number, statement

-- What a backup leaves out: all that reads from Kafka. `up` makes it anew, when the data is there again.
SELECT database, database || '.' || name
FROM system.tables
WHERE database IN ({{ databases }}) AND engine IN ('Kafka', 'MaterializedView', 'Null')
ORDER BY name

-- Parts, rows and bytes of each table; many parts mean that merges fall behind.
SELECT table, count() AS parts, max(in_partition) AS most_in_a_partition, sum(part_rows) AS table_rows, sum(bytes) AS disk
FROM
(
    SELECT table, rows AS part_rows, bytes_on_disk AS bytes, count() OVER (PARTITION BY table, partition_id) AS in_partition
    FROM system.parts
    WHERE active AND database = 'telemetry'
)
GROUP BY table
ORDER BY disk DESC

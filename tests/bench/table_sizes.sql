-- Rows, bytes on disk and bytes before compression of each table.
SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, sum(data_uncompressed_bytes) AS uncompressed
FROM system.parts
WHERE database = 'telemetry' AND active
GROUP BY table
ORDER BY bytes DESC

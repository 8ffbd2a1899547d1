-- Merges and mutations that run now, the longest first.
SELECT table, elapsed AS running, progress, num_parts AS parts, total_size_bytes_compressed AS bytes, is_mutation AS mutation
FROM system.merges
WHERE database = 'telemetry'
ORDER BY running DESC

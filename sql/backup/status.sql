-- How far a backup is.
SELECT toString(status), error, num_files, total_size, uncompressed_size, dateDiff('second', start_time, now())
FROM system.backups
WHERE id = {{ id | sql_string }}

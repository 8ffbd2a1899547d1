-- Unfinished mutations that are this statement, the oldest first. system.mutations has each as the engine writes it.
WITH replaceOne(formatQuerySingleLine({{ statement | sql_string }}), '(UPDATE  ', '(UPDATE ') AS written
SELECT mutation_id, parts_to_do, latest_fail_reason
FROM system.mutations
WHERE database = 'telemetry' AND table = {{ table | sql_string }} AND NOT is_done AND NOT is_killed
    AND replaceOne(command, '(UPDATE  ', '(UPDATE ') = substring(written, position(written, '(UPDATE '))
ORDER BY create_time

-- Rows that no reader sees since at least ten minutes: older generations of recomputed keys, and generations that were
-- begun and never shown. A query that began before the flip has ended by then.
SELECT DISTINCT data.tenant_id, toUnixTimestamp(data.minute), data.generation
FROM telemetry.{{ table }} AS data
INNER JOIN
(
    SELECT tenant_id, minute, max(generation) AS shown, argMax(computed_at, generation) AS at
    FROM telemetry.rollup_generations
    GROUP BY tenant_id, minute
    HAVING at >= now() - INTERVAL {{ since_hours }} HOUR AND at < now() - INTERVAL {{ age_seconds }} SECOND
) AS flipped ON flipped.tenant_id = data.tenant_id AND flipped.minute = data.minute
WHERE data.generation < flipped.shown
ORDER BY data.minute, data.tenant_id
LIMIT {{ limit }}

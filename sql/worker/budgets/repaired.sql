-- What tells whether minutes of a window were recomputed and shown since: changes with each one whose recomputing began later
-- than `since` (Unix ms), whatever else is merged or deleted.
SELECT groupBitXor(cityHash64(tenant_id, minute, shown))
FROM
(
    SELECT tenant_id, minute, max(generation) AS shown
    FROM telemetry.rollup_generations
    WHERE minute >= toDateTime({{ start }}, 'UTC') AND minute < toDateTime({{ end }}, 'UTC')
        AND generation >= bitShiftLeft(toUInt64({{ since }}), 20)
    GROUP BY tenant_id, minute
)

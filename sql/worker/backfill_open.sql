-- The newest backfill of the same window that has not finished within the last day, and how far it came.
SELECT
    backfill_id,
    toUnixTimestamp(any(to_ts)),
    toUnixTimestamp(max(cursor_minute)),
    argMax(cursor_tenant, (cursor_minute, cursor_tenant)),
    sum(minutes),
    sum(spans),
    sum(refused),
    arrayMap(key -> (key.1, toUnixTimestamp(key.2)), groupArrayArray(postponed))
FROM telemetry.backfills
WHERE from_ts = toDateTime({{ start }}, 'UTC') AND tenant_id = {{ tenant | sql_string }}
    AND {{ 'open_ended' if open_ended else 'NOT open_ended AND to_ts = toDateTime(%d, \'UTC\')' % end }}
GROUP BY backfill_id
HAVING countIf(state = 'finished') = 0 AND max(at) > now() - INTERVAL 1 DAY
ORDER BY max(at) DESC
LIMIT 1

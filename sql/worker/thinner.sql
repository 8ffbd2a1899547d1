-- Keys whose new generation knows fewer traces than what readers see now. A repeated span can't cause that (traces
-- are counted as a set), so raw no longer, or not yet, holds all that the rollup was made from.
SELECT tenant_id, toUnixTimestamp(minute)
FROM
(
    SELECT tenant_id, minute, uniqMerge(traces) AS shown, 0 AS fresh
    FROM telemetry.spans_minute
    WHERE minute BETWEEN toDateTime({{ first }}) AND toDateTime({{ end }}) AND tenant_id IN ({{ tenants }})
        AND (tenant_id, toUnixTimestamp(minute)) IN ({{ keys }})
    GROUP BY tenant_id, minute
    UNION ALL
    SELECT tenant_id, minute, 0 AS shown, uniqMerge(traces) AS fresh
    FROM telemetry.spans_minute_data
    WHERE minute BETWEEN toDateTime({{ first }}) AND toDateTime({{ end }}) AND tenant_id IN ({{ tenants }})
        AND (tenant_id, toUnixTimestamp(minute)) IN ({{ keys }}) AND generation = {{ generation }}
    GROUP BY tenant_id, minute
)
GROUP BY tenant_id, minute
-- Above some ten thousand the count is an estimate: two per cent are not evidence.
HAVING sum(fresh) < sum(shown) * 0.98

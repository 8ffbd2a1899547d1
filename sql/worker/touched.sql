-- Every key that got a row in [since, until): rows and distinct spans in all, the last arrival, and when the
-- generation that readers see was computed (0: none was). More rows than spans: something came twice.
WITH touched AS
(
    SELECT tenant_id, minute
    FROM telemetry.span_keys
    WHERE ingest_ts >= fromUnixTimestamp64Milli({{ since }}) AND ingest_ts < fromUnixTimestamp64Milli({{ until }})
    GROUP BY tenant_id, minute
)
SELECT tenant_id, toUnixTimestamp(minute), rows, spans, last, computed_at
FROM
(
    SELECT
        tenant_id,
        minute,
        count() AS rows,
        uniqExact(span_key) AS spans,
        toUnixTimestamp64Milli(max(ingest_ts)) AS last
    FROM telemetry.span_keys
    WHERE (minute, tenant_id) IN (SELECT minute, tenant_id FROM touched)
    GROUP BY tenant_id, minute
) AS arrived
LEFT JOIN
(
    SELECT tenant_id, minute, toUnixTimestamp64Milli(argMax(computed_at, generation)) AS computed_at
    FROM telemetry.rollup_generations
    WHERE (minute, tenant_id) IN (SELECT minute, tenant_id FROM touched)
    GROUP BY tenant_id, minute
) AS shown USING (tenant_id, minute)

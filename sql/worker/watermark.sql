-- Up to when, Unix ms, a worker has looked for re-deliveries; else the first row's arrival; 0 when there is no row.
SELECT if(looked > 0, looked, first)
FROM
(
    SELECT max(JSONExtractUInt(detail_json, 'until_ms')) AS looked
    FROM telemetry.worker_results
    WHERE step = 'recompute' AND ok
) AS a,
(SELECT if(count() = 0, 0, toUnixTimestamp64Milli(min(ingest_ts))) AS first FROM telemetry.span_keys) AS b

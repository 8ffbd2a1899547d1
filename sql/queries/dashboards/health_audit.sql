-- Rows of the newest audit: what each hop should hold and what it holds.
SELECT
    JSONExtractString(row, 'name') AS check,
    replaceAll(JSONExtractRaw(row, 'expected'), '"', '') AS expected,
    replaceAll(JSONExtractRaw(row, 'found'), '"', '') AS found,
    toFloat64OrZero(replaceAll(JSONExtractRaw(row, 'difference'), '"', '')) AS difference,
    JSONExtractString(row, 'detail') AS detail
FROM
(
    SELECT argMax(detail_json, at) AS newest
    FROM telemetry.worker_results
    WHERE step = 'audit' AND $__timeFilter(at)
)
ARRAY JOIN JSONExtractArrayRaw(newest, 'rows') AS row

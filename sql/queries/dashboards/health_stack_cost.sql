-- What the stack costs by part, and what a million spans cost at the range's traffic: fixed cost shared out among the
-- spans that came, and what each million adds. NULL where a price is not known.
WITH
    (
        SELECT sum(spans) FROM telemetry.ingest_ledger
        WHERE topic = 'otel-spans' AND $__timeFilter(ingest_ts)
    ) / greatest(dateDiff('second', $__fromTime, $__toTime), 1) * 730 * 3600 / 1e6 AS millions_a_month
SELECT
    if(grouping(part) = 1, 'everything', part) AS of,
    millions_a_month,
    if(countIf(usd_a_month IS NULL) > 0, NULL, sum(toFloat64(usd_a_month) + toFloat64(usd_a_million_spans) * millions_a_month)) AS usd_a_month_now,
    if(millions_a_month = 0, NULL, usd_a_month_now / millions_a_month) AS usd_a_million_spans_now,
    if(grouping(part) = 1, 'at the traffic of the time range', any(reading)) AS reading
FROM
(
    SELECT part, usd_a_month, usd_a_million_spans, reading
    FROM telemetry.stack_costs FINAL
    WHERE NOT removed
)
GROUP BY GROUPING SETS ((part), ())
HAVING count() > 0
ORDER BY grouping(part) DESC, of

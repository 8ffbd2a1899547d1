-- Whose telemetry the stack's cost is for: each tenant's share of the spans, and of the cost at the range's traffic.
{% import 'macros/dashboards.sql' as d with context %}
WITH
    730 * 3600 / greatest(dateDiff('second', $__fromTime, $__toTime), 1) / 1e6 AS million_a_month,
    (
        SELECT if(count() = 0 OR countIf(usd_a_month IS NULL) > 0, (CAST(NULL, 'Nullable(Float64)'), CAST(NULL, 'Nullable(Float64)')), (sum(toFloat64(usd_a_month)), sum(toFloat64(usd_a_million_spans))))
        FROM telemetry.stack_costs FINAL
        WHERE NOT removed
    ) AS bill
SELECT
    tenant_id AS tenant,
    sum(spans) AS spans_all,
    spans_all / sum(spans_all) OVER () AS share,
    bill.1 * share + bill.2 * spans_all * million_a_month AS usd_a_month
{{ d.spans_minute() }}
GROUP BY tenant
ORDER BY spans_all DESC, tenant
LIMIT 20

-- Spans of the whole range in one row.
{% import 'macros/dashboards.sql' as d with context %}
WITH quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(latency_ms) AS latency
SELECT
    uniqMerge(traces) AS traces,
    traces / greatest(dateDiff('second', $__fromTime, $__toTime) / 60, 1) AS traces_a_minute,
    if(sum(spans) = 0, 0, sum(errors) / sum(spans)) AS error_rate,
    latency[3] AS p95
{{ d.spans_minute() }}
HAVING sum(spans) > 0

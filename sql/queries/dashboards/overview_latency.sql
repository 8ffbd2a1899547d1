-- Latency of all spans, in milliseconds.
{% import 'macros/dashboards.sql' as d with context %}
WITH quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(latency_ms) AS latency
SELECT $__timeInterval(minute) AS time, latency[1] AS p50, latency[2] AS p90, latency[3] AS p95, latency[4] AS p99
{{ d.spans_minute() }}
GROUP BY time
ORDER BY time

-- Each tool: calls, failures, latency.
{% import 'macros/dashboards.sql' as d with context %}
WITH quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(latency_ms) AS latency
SELECT tool_name AS tool, sum(calls) AS tool_calls, sum(errors) AS failed, 1 - failed / tool_calls AS success, latency[1] AS p50, latency[3] AS p95
{{ d.tools_minute() }}
GROUP BY tool
ORDER BY failed DESC, tool_calls DESC
LIMIT 50

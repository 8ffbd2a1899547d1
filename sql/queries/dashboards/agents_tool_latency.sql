-- Latency of tool calls (95th of a hundred), by tool.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(minute) AS time, tool_name AS tool, quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(latency_ms)[3] AS p95
{{ d.tools_minute() }}
GROUP BY time, tool
ORDER BY time, tool

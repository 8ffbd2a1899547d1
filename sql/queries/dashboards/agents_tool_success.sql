-- Share of tool calls that succeed, by tool.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(minute) AS time, tool_name AS tool, 1 - sum(errors) / sum(calls) AS success
{{ d.tools_minute() }}
GROUP BY time, tool
ORDER BY time, tool

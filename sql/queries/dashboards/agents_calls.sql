-- Model and tool calls a run.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(start_ts) AS time, avg(model_calls) AS model_calls, avg(tool_calls) AS tool_calls
{{ d.runs() }}
GROUP BY time
ORDER BY time

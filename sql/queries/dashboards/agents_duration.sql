-- How long runs take, by agent (95th of a hundred).
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(start_ts) AS time, if(agent_name = '', '(none)', agent_name) AS agent, quantile(0.95)(duration_ms) AS p95
{{ d.runs() }}
    AND outcome != 'running'
GROUP BY time, agent
ORDER BY time, agent

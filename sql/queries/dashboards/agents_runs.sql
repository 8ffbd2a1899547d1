-- Runs a minute by agent.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(start_ts) AS time, if(agent_name = '', '(none)', agent_name) AS agent, count() / ($__interval_s / 60) AS runs
{{ d.runs() }}
GROUP BY time, agent
ORDER BY time, agent

-- Tool calls that repeat an earlier one of the run (same agent, tool and arguments), a run, by agent.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(start_ts) AS time, if(agent_name = '', '(none)', agent_name) AS agent, sum(loops) / count() AS loops
{{ d.runs() }}
GROUP BY time, agent
ORDER BY time, agent

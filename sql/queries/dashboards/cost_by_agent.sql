-- Booked cost of the range by agent, the ten dearest; a name says where it is not all of it.
{% import 'macros/dashboards.sql' as d with context %}
SELECT {{ d.told("if(agent_name = '', '(none)', agent_name)") }} AS agent, {{ d.sum_usd() }} AS usd
{{ d.cost_minute() }}
GROUP BY agent_name
ORDER BY usd DESC NULLS LAST, agent
LIMIT 10

-- Booked cost of the range by agent, the ten dearest.
{% import 'macros/dashboards.sql' as d with context %}
SELECT if(agent_name = '', '(none)', agent_name) AS agent, toFloat64(sum(cost_usd)) AS usd
{{ d.cost_minute() }}
GROUP BY agent
ORDER BY usd DESC, agent
LIMIT 10

-- Booked cost of the range by workflow, the ten dearest.
{% import 'macros/dashboards.sql' as d with context %}
SELECT if(workflow_id = '', '(none)', workflow_id) AS workflow, toFloat64(sum(cost_usd)) AS usd
{{ d.cost_minute() }}
GROUP BY workflow
ORDER BY usd DESC, workflow
LIMIT 10

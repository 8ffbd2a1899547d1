-- Booked cost of the range by workflow, the ten dearest; a name says where it is not all of it.
{% import 'macros/dashboards.sql' as d with context %}
SELECT {{ d.told("if(workflow_id = '', '(none)', workflow_id)") }} AS workflow, {{ d.sum_usd() }} AS usd
{{ d.cost_minute() }}
GROUP BY workflow_id
ORDER BY usd DESC NULLS LAST, workflow
LIMIT 10

-- Runs whose root span has not arrived yet, the newest first.
{% import 'macros/dashboards.sql' as d with context %}
SELECT start_ts AS started, tenant_id AS tenant, agent_name AS agent, trace_id, steps, {{ d.run_known() }} AS cost, {{ d.run_usd() }} AS usd
{{ d.runs() }}
    AND outcome = 'running'
ORDER BY started DESC
LIMIT 20

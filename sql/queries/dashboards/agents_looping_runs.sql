-- Runs with the most repeated tool calls.
{% import 'macros/dashboards.sql' as d with context %}
SELECT trace_id, loops, tool_calls, steps, agent_name AS agent, tenant_id AS tenant, outcome, duration_ms AS duration, {{ d.run_known() }} AS cost, {{ d.run_usd() }} AS usd
{{ d.runs() }}
    AND loops > 0
ORDER BY loops DESC, start_ts DESC
LIMIT 20

-- Traces that began in the range, the newest first.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    start_ts AS started,
    trace_id,
    service_name AS service,
    operation,
    agent_name AS agent,
    workflow_id AS workflow,
    tenant_id AS tenant,
    outcome,
    duration_ms AS duration,
    steps,
    errors,
    {{ d.run_known() }} AS cost,
    {{ d.run_usd() }} AS usd
{{ d.runs() }}
    AND ('*' IN (${outcome:singlequote}) OR outcome IN (${outcome:singlequote}))
    AND (${search:singlequote} = '' OR positionCaseInsensitive(concat(trace_id, ' ', operation, ' ', user_id, ' ', session_id), ${search:singlequote}) > 0)
ORDER BY started DESC
LIMIT 200

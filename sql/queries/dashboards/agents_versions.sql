-- Agent and prompt versions side by side.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    agent_name AS agent,
    agent_version,
    prompt_name AS prompt,
    prompt_version,
    uniqExact(tenant_id, trace_id) AS runs,
    countIf(is_inference) AS model_calls,
    countIf(status_code = 'error') / count() AS error_rate,
    quantile(0.95)(duration_ms) AS p95,
    {{ d.spans_known() }} AS cost,
    {{ d.spans_usd() }} / runs AS usd_a_run
{{ d.spans() }}
    AND agent_name != ''
GROUP BY agent, agent_version, prompt, prompt_version
ORDER BY agent, runs DESC
LIMIT 50

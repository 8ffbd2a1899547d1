-- Model calls of the chosen trace, the dearest first.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    toString(operation) AS span,
    model,
    agent_name AS agent,
    duration_ms AS duration,
    tokens_prompt AS input,
    tokens_completion AS output,
    toFloat64(cost_usd) AS usd,
    cost_source AS cost_from,
    finish_reason
FROM
(
    SELECT *
    {{ d.one_trace('spans_raw', 'start_ts') }}
    LIMIT 1 BY tenant_id, span_id
)
WHERE is_inference
ORDER BY usd DESC NULLS LAST, duration DESC
LIMIT 100

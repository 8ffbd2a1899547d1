-- The runs behind an agent's usage, from raw spans: only the runs' totals are kept by run, not those of the agents in them.
-- Each span once. The most used first.
SELECT lower(hex(trace_id)) AS subject, toFloat64({{ {
    'spend_usd': 'sum(ifNull(cost, 0))', 'model_calls': 'countIf(inference)', 'tokens': 'sumIf(ifNull(tokens, 0), inference)',
    'repeated_tool_calls': 'countIf(hash != 0) - uniqExactIf(hash, hash != 0)'}[b.measure] }}) AS used
FROM
(
    SELECT trace_id, span_id, any(is_inference) AS inference, any(if(is_inference, cost_usd, 0)) AS cost,
        any(ifNull(tokens_prompt, 0) + ifNull(tokens_completion, 0)) AS tokens, any(tool_call_hash) AS hash
    FROM telemetry.spans_raw
    WHERE tenant_id = {{ tenant | sql_string }} AND start_ts >= toDateTime64({{ start }}, 9, 'UTC') AND agent_name = {{ agent | sql_string }}
        {%- if b.env != '*' %} AND env = {{ b.env | sql_string }}{% endif %}
        {%- if b.workflow != '*' %} AND workflow_id = {{ b.workflow | sql_string }}{% endif %}

    GROUP BY trace_id, span_id
)
GROUP BY trace_id
HAVING used > 0
ORDER BY used DESC, subject
LIMIT {{ limit }}

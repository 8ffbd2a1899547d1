{# Model calls, tokens and cost by provider, model, service, agent and workflow. Model calls only: an agent's span repeats
   the totals of its children. #}
SELECT
    tenant_id,
    toStartOfMinute(toDateTime(start_ts, 'UTC')) AS minute,
    toUInt64({{ generation }}) AS generation,
    env, provider, model, service_name, agent_name, workflow_id,
    count() AS calls,
    countIf(cost_source = 'unpriced') AS unpriced_calls,
    sum(toDecimal128(ifNull(s.cost_usd, 0), 12)) AS cost_usd,
    sum(ifNull(s.tokens_prompt, 0)) AS tokens_prompt,
    sum(ifNull(s.tokens_completion, 0)) AS tokens_completion,
    sum(ifNull(s.tokens_cached, 0)) AS tokens_cached,
    sum(ifNull(s.tokens_reasoning, 0)) AS tokens_reasoning
FROM {{ source }} AS s
WHERE is_inference{{ ' AND (' ~ where ~ ')' if where }}
GROUP BY tenant_id, minute, env, provider, model, service_name, agent_name, workflow_id

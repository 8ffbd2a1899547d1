-- Who pays: each tenant's cost, beside its share of all model calls.
SELECT
    tenant_id AS tenant,
    sum(cost_usd) AS usd,
    usd / sum(usd) OVER () AS usd_share,
    sum(calls) AS model_calls,
    model_calls / sum(model_calls) OVER () AS call_share,
    sum(tokens_prompt) + sum(tokens_completion) AS tokens,
    sum(unpriced_calls) AS unpriced
FROM telemetry.cost_minute
WHERE minute >= {from:DateTime('UTC')} AND minute < {to:DateTime('UTC')}
GROUP BY tenant
ORDER BY usd DESC

-- Who pays: each tenant's cost, beside its share of all model calls.
SELECT
    tenant_id AS tenant,
    sum(cost_usd) AS usd,
    -- As Float64: decimals throw when nothing was priced and the sum is zero.
    if(sum(usd) OVER () = 0, 0, toFloat64(usd) / toFloat64(sum(usd) OVER ())) AS usd_share,
    sum(calls) AS model_calls,
    model_calls / sum(model_calls) OVER () AS call_share,
    sum(tokens_prompt) + sum(tokens_completion) AS tokens,
    sum(unpriced_calls) AS unpriced
FROM telemetry.cost_minute
WHERE minute >= {from:DateTime('UTC')} AND minute < {to:DateTime('UTC')}
GROUP BY tenant
ORDER BY usd DESC

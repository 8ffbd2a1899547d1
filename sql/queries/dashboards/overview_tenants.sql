-- Who pays and who fails: each tenant's cost, calls and unpriced calls.
SELECT
    tenant_id AS tenant,
    toFloat64(sum(cost_usd)) AS usd,
    sum(calls) AS model_calls,
    sum(tokens_prompt) + sum(tokens_completion) AS tokens,
    sum(unpriced_calls) AS unpriced
FROM telemetry.cost_minute
WHERE $__timeFilter(minute) AND tenant_id IN (${tenant:singlequote}) AND env IN (${env:singlequote})
GROUP BY tenant
ORDER BY usd DESC
LIMIT 20

-- Each tenant's cost, calls, tokens and unpriced calls, the costliest first.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    tenant_id AS tenant,
    toFloat64(sum(cost_usd)) AS usd,
    sum(calls) AS model_calls,
    sum(tokens_prompt) + sum(tokens_completion) AS tokens,
    sum(unpriced_calls) AS unpriced
{{ d.cost_minute() }}
GROUP BY tenant
ORDER BY usd DESC, tenant
LIMIT 20

-- Each tenant's cost, calls and tokens beside how its runs go, the costliest first.
{% import 'macros/dashboards.sql' as d with context %}
SELECT c.tenant AS tenant, c.cost AS cost, c.usd AS usd, r.runs AS runs, r.success AS success, r.p95 AS p95, c.model_calls AS model_calls, c.tokens AS tokens, c.unpriced AS unpriced
FROM
(
    SELECT
        tenant_id AS tenant,
        {{ d.sum_known() }} AS cost,
        {{ d.sum_usd() }} AS usd,
        sum(calls) AS model_calls,
        sum(tokens_prompt) + sum(tokens_completion) AS tokens,
        sum(unpriced_calls) AS unpriced
    {{ d.cost_minute() }}
    GROUP BY tenant
) AS c
LEFT JOIN
(
    SELECT
        tenant_id AS tenant,
        count() AS runs,
        countIf(outcome = 'ok') / nullIf(countIf(outcome != 'running'), 0) AS success,
        quantileIf(0.95)(duration_ms, outcome != 'running') AS p95
    {{ d.runs() }}
    GROUP BY tenant
) AS r ON r.tenant = c.tenant
ORDER BY usd DESC NULLS LAST, tenant
LIMIT 20

-- Each tenant's booked cost beside the same tokens at the chosen prices. Compared is what has a price there.
{% import 'macros/dashboards.sql' as d with context %}
{% import 'macros/reprice.sql' as reprice %}
SELECT
    tenant,
    {{ d.known('sum(usd)', 'sum(unpriced)') }} AS cost,
    {{ d.usd('sum(usd)', 'sum(unpriced)') }} AS booked_usd,
    sumIf(usd, at_prices IS NOT NULL) AS comparable_usd,
    sum(at_prices) AS usd_at_chosen_prices,
    if(comparable_usd = 0, NULL, usd_at_chosen_prices / comparable_usd - 1) AS change,
    sumIf(calls, at_prices IS NULL) AS calls_without_a_price
FROM
(
    SELECT c.tenant AS tenant, c.usd AS usd, c.calls AS calls, c.unpriced AS unpriced, {{ reprice.usd('c', 'chosen') }} AS at_prices
    FROM
    (
        SELECT
            tenant_id AS tenant,
            {{ reprice.columns() }}
        {{ d.cost_minute() }}
        GROUP BY tenant, provider, model
    ) AS c
    {{ reprice.joins('c', 'chosen', 'chosen') }}
)
GROUP BY tenant
ORDER BY booked_usd DESC NULLS LAST, tenant
LIMIT 20

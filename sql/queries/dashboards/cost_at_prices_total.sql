-- All tokens at the chosen prices in one row, against what was booked for the same calls.
{% import 'macros/dashboards.sql' as d with context %}
{% import 'macros/reprice.sql' as reprice %}
SELECT
    sum(at_prices) AS usd_at_chosen_prices,
    sumIf(usd, at_prices IS NOT NULL) AS comparable_usd,
    if(comparable_usd = 0, NULL, usd_at_chosen_prices / comparable_usd - 1) AS change
FROM
(
    SELECT c.usd AS usd, {{ reprice.usd('c', 'chosen') }} AS at_prices
    FROM
    (
        SELECT
            {{ reprice.columns() }}
        {{ d.cost_minute() }}
        GROUP BY provider, model
    ) AS c
    {{ reprice.joins('c', 'chosen', 'chosen') }}
)
HAVING count(at_prices) > 0

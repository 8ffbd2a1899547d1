-- Each model's calls, tokens and booked cost, beside the same tokens at the price table as it is now and at the chosen one.
{% import 'macros/dashboards.sql' as d with context %}
{% import 'macros/reprice.sql' as reprice %}
SELECT
    c.provider AS provider,
    c.model AS model,
    c.calls AS model_calls,
    c.prompt AS input,
    c.cached AS cached,
    c.completion AS output,
    c.reasoning AS reasoning,
    {{ d.known('c.usd', 'c.unpriced') }} AS cost,
    {{ d.usd('c.usd', 'c.unpriced') }} AS booked_usd,
    {{ reprice.usd('c', 'now') }} AS usd_at_prices_of_now,
    {{ reprice.usd('c', 'chosen') }} AS usd_at_chosen_prices,
    c.unpriced AS unpriced
FROM
(
    SELECT
        {{ reprice.columns() }}
    {{ d.cost_minute() }}
    GROUP BY provider, model
) AS c
{{ reprice.joins('c', 'now', 'now') }}
{{ reprice.joins('c', 'chosen', 'chosen') }}
ORDER BY booked_usd DESC NULLS LAST, model_calls DESC
LIMIT 50

-- Each model's calls, tokens and booked cost, beside the same tokens at the price table as it is now.
{% import 'macros/dashboards.sql' as d with context %}
{% import 'macros/reprice.sql' as reprice %}
WITH
    replaceRegexpOne(lower(c.model), {{ reprice.build }}, '') AS short,
    multiIf(own.found = 1, own.price, plain.found = 1, plain.price, own_short.found = 1, own_short.price, plain_short.price) AS price,
    greatest(own.found, plain.found, own_short.found, plain_short.found) AS found
SELECT
    c.provider AS provider,
    c.model AS model,
    c.calls AS model_calls,
    c.prompt AS input,
    c.cached AS cached,
    c.completion AS output,
    c.reasoning AS reasoning,
    c.usd AS booked_usd,
    if(found = 1, (
        (c.prompt - least(c.cached, c.prompt)) * price.1 + least(c.cached, c.prompt) * price.2
        + (c.completion - least(c.reasoning, c.completion)) * price.3 + least(c.reasoning, c.completion) * price.4
    ) / 1e6, NULL) AS usd_at_prices_of_now,
    c.unpriced AS unpriced
FROM
(
    SELECT
        provider,
        model,
        sum(calls) AS calls,
        sum(tokens_prompt) AS prompt,
        sum(tokens_cached) AS cached,
        sum(tokens_completion) AS completion,
        sum(tokens_reasoning) AS reasoning,
        toFloat64(sum(cost_usd)) AS usd,
        sum(unpriced_calls) AS unpriced
    {{ d.cost_minute() }}
    GROUP BY provider, model
) AS c
LEFT JOIN ({{ reprice.prices() }}) AS own ON own.provider = lower(c.provider) AND own.model = lower(c.model)
LEFT JOIN ({{ reprice.prices('any') }}) AS plain ON plain.model = lower(c.model)
LEFT JOIN ({{ reprice.prices() }}) AS own_short ON own_short.provider = lower(c.provider) AND own_short.model = short
LEFT JOIN ({{ reprice.prices('any') }}) AS plain_short ON plain_short.model = short
ORDER BY booked_usd DESC, model_calls DESC
LIMIT 50

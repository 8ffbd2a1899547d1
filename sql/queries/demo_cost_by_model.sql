-- What for: each model's calls, tokens and cost; unpriced calls have no cost rather than a cost of zero.
SELECT
    provider,
    model,
    sum(calls) AS model_calls,
    sum(tokens_prompt) AS prompt,
    sum(tokens_cached) AS cached,
    sum(tokens_completion) AS completion,
    sum(cost_usd) AS usd,
    sum(unpriced_calls) AS unpriced
FROM telemetry.cost_minute
WHERE minute >= {from:DateTime('UTC')} AND minute < {to:DateTime('UTC')}
GROUP BY provider, model
ORDER BY usd DESC, model_calls DESC

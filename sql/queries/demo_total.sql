-- The window in one row: runs, model calls, tokens, what they cost, and how much of it nobody could price.
SELECT
    sum(calls) AS model_calls,
    sum(tokens_prompt) + sum(tokens_completion) AS tokens,
    sum(cost_usd) AS usd,
    sum(unpriced_calls) AS unpriced
FROM telemetry.cost_minute
WHERE minute >= {from:DateTime('UTC')} AND minute < {to:DateTime('UTC')}

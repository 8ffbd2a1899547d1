-- Models without a price, and how much of all calls they are.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    model,
    provider,
    sum(unpriced_calls) AS unpriced,
    unpriced / sum(sum(calls)) OVER () AS share_of_calls,
    sum(tokens_prompt) + sum(tokens_completion) AS tokens
{{ d.cost_minute() }}
GROUP BY model, provider
QUALIFY unpriced > 0
ORDER BY unpriced DESC
LIMIT 20

-- Model calls of the whole range in one row.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    {{ d.sum_usd() }} AS usd,
    sum(tokens_prompt) + sum(tokens_completion) AS tokens,
    sum(calls) AS model_calls,
    sum(unpriced_calls) / sum(calls) AS unpriced_share
{{ d.cost_minute() }}
HAVING sum(calls) > 0

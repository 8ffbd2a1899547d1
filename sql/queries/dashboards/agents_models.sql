-- Models at work: calls, failures, latency, tokens a call, cost.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    model,
    count() AS model_calls,
    countIf(status_code = 'error') / count() AS error_rate,
    quantile(0.5)(duration_ms) AS p50,
    quantile(0.95)(duration_ms) AS p95,
    avg(ifNull(tokens_completion, 0)) AS output_a_call,
    {{ d.spans_known() }} AS cost,
    {{ d.spans_usd() }} AS usd,
    countIf(cost_source = 'unpriced') AS unpriced
{{ d.spans() }}
    AND is_inference
GROUP BY model
ORDER BY model_calls DESC
LIMIT 20

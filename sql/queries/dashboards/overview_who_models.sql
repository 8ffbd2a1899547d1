-- Models that fail, are slow or cost most, whichever stands out first: failures weigh by how many and by their share.
{% import 'macros/dashboards.sql' as d with context %}
SELECT model, failing, p95, cost, usd, model_calls
FROM
(
    SELECT
        model,
        countIf(status_code = 'error') / count() AS failing,
        quantile(0.95)(duration_ms) AS p95,
        {{ d.spans_known() }} AS cost,
        {{ d.spans_usd() }} AS usd,
        count() AS model_calls,
        countIf(status_code = 'error') * failing AS failures
    {{ d.spans() }}
        AND is_inference
    GROUP BY model
)
{{ d.standing_out(['failures', 'p95', 'usd']) }}, failing DESC, model
LIMIT 20

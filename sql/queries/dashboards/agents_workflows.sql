-- Workflows: runs, success, duration and cost, the costliest first.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    if(workflow_id = '', '(none)', workflow_id) AS workflow,
    count() AS runs,
    countIf(outcome = 'ok') / nullIf(countIf(outcome != 'running'), 0) AS success,
    quantile(0.5)(duration_ms) AS p50,
    quantile(0.95)(duration_ms) AS p95,
    {{ d.sum_known() }} AS cost,
    {{ d.sum_usd() }} AS usd,
    usd / runs AS usd_a_run
{{ d.runs() }}
GROUP BY workflow
ORDER BY usd DESC NULLS LAST, runs DESC
LIMIT 20

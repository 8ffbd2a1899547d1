-- What a trace and what a successful run cost: all cost over what came out.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    {{ d.sum_usd() }} AS usd,
    usd / count() AS usd_a_trace,
    usd / nullIf(countIf(outcome = 'ok'), 0) AS usd_a_success
{{ d.runs() }}
HAVING count() > 0

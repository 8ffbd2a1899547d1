-- Cost of the runs that called a tool: a run with several tools counts for each.
{% import 'macros/dashboards.sql' as d with context %}
SELECT tool, runs, cost, usd, usd / runs AS usd_a_run
FROM
(
    {{ d.runs_by_tool() }}
)
ORDER BY usd DESC NULLS LAST
LIMIT 20

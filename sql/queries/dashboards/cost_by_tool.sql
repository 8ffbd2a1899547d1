-- Cost of the runs that called a tool: a run with several tools counts for each.
{% import 'macros/dashboards.sql' as d with context %}
SELECT tool, count() AS runs, toFloat64(sum(run_usd)) AS usd, usd / runs AS usd_a_run
FROM
(
    SELECT DISTINCT tenant_id AS tenant, lower(hex(trace_id)) AS run, tool_name AS tool
    FROM telemetry.spans_raw
    WHERE $__timeFilter(start_ts) AND tool_name != ''{{ d.chosen(['environment', 'tenant', 'agent', 'tool']) }}
) AS called
INNER JOIN
(
    SELECT tenant_id AS run_tenant, trace_id, cost_usd AS run_usd
    {{ d.runs() }}
) AS runs ON called.tenant = runs.run_tenant AND called.run = runs.trace_id
GROUP BY tool
ORDER BY usd DESC
LIMIT 20

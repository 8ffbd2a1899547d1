-- Tools that fail or are slow, or whose runs cost most, whichever stands out first: failures weigh by how many and by their share.
-- A run with several tools counts for each.
{% import 'macros/dashboards.sql' as d with context %}
SELECT c.tool AS tool, c.failing AS failing, c.p95 AS p95, r.cost AS cost, r.usd AS usd_of_its_runs, c.tool_calls AS tool_calls
FROM
(
    SELECT
        tool_name AS tool,
        sum(errors) / sum(calls) AS failing,
        quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(latency_ms)[3] AS p95,
        sum(calls) AS tool_calls,
        sum(errors) * failing AS failures
    {{ d.tools_minute() }}
    GROUP BY tool
) AS c
LEFT JOIN
(
    {{ d.runs_by_tool() }}
) AS r ON r.tool = c.tool
{{ d.standing_out(['c.failures', 'c.p95', 'r.usd']) }}, failing DESC, tool
LIMIT 20

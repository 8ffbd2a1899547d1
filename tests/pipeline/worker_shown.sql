-- Every figure of the rollups and runs by tenant and minute, through the views that people read.
SELECT
    tenant_id,
    toUnixTimestamp(minute) AS at,
    sum(spans), sum(errors), sum(calls), sum(tokens), sum(cost), sum(tool_calls), sum(tool_errors),
    sum(run_spans), sum(run_cost)
FROM
(
    SELECT tenant_id, minute, spans, errors, 0 AS calls, 0 AS tokens, 0 AS cost, 0 AS tool_calls, 0 AS tool_errors,
        0 AS run_spans, 0 AS run_cost
    FROM telemetry.spans_minute
    UNION ALL
    SELECT tenant_id, minute, 0, 0, calls, tokens_prompt, cost_usd, 0, 0, 0, 0
    FROM telemetry.cost_minute
    UNION ALL
    SELECT tenant_id, minute, 0, 0, 0, 0, 0, calls, errors, 0, 0
    FROM telemetry.tools_minute
    UNION ALL
    SELECT tenant_id, minute, 0, 0, 0, 0, 0, 0, 0, steps, cost_usd
    FROM telemetry.runs_parts
)
GROUP BY tenant_id, at

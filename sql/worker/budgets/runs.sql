-- What is known of these runs, over their whole life.
SELECT
    tenant_id,
    lower(hex(trace_id)) AS run,
    multiIf(sum(p.root_spans) > 0, if(max(p.root_status) = 2, 'error', 'ok'), max(p.end_ts) > toDateTime64({{ lately }}, 9, 'UTC'), 'running', 'silent') AS state,
    max(p.env) AS env,
    max(p.workflow_id) AS workflow,
    if(max(p.root_agent) != '', max(p.root_agent), max(p.agent_name)) AS agent,
    max(p.session_id) AS session,
    max(p.user_id) AS user,
    max(p.root_operation) AS operation,
    toUnixTimestamp64Milli(min(p.start_ts)) AS started,
    toUnixTimestamp64Milli(max(p.end_ts)) AS last_span,
    sum(p.steps) AS steps,
    toFloat64(sum(p.cost_usd)) AS spend_usd,
    sum(p.model_calls) AS model_calls,
    sum(p.unpriced_calls) AS unpriced_calls,
    sum(p.tokens_prompt) + sum(p.tokens_completion) AS tokens,
    sum(p.tool_calls) AS tool_calls,
    arraySum(n -> n - 1, mapValues(sumMap(p.tool_call_counts))) AS repeated_tool_calls
FROM telemetry.runs_parts AS p
WHERE tenant_id IN ({{ only.tenants }}) AND trace_id IN ({{ only.traces }}) AND minute >= toDateTime({{ start }}, 'UTC')
GROUP BY tenant_id, trace_id

-- The readable names of the rollups: of every tenant's minute only the rows of its newest generation.
-- kind: metadata

{% for name in ['spans_minute', 'cost_minute', 'tools_minute', 'runs'] %}
-- State columns stay states. Filters on tenant_id and minute reach both sides of the join.
CREATE OR REPLACE VIEW {{ database }}.{{ name ~ ('_parts' if name == 'runs' else '') }} AS
SELECT d.* EXCEPT (generation)
FROM {{ database }}.{{ name }}_data AS d
LEFT ANY JOIN
(
    SELECT tenant_id, minute, max(generation) AS visible
    FROM {{ database }}.rollup_generations
    GROUP BY tenant_id, minute
) AS g ON d.tenant_id = g.tenant_id AND d.minute = g.minute
WHERE d.generation = ifNull(g.visible, 0);

{% endfor %}
{% macro runs() %}
SELECT
    p.tenant_id AS tenant_id,
    lower(hex(p.trace_id)) AS trace_id,
    max(p.env) AS env,
    max(p.root_service) AS service_name,
    max(p.root_operation) AS operation,
    if(max(p.root_agent) != '', max(p.root_agent), max(p.agent_name)) AS agent_name,
    max(p.workflow_id) AS workflow_id,
    max(p.user_id) AS user_id,
    max(p.session_id) AS session_id,
    min(p.start_ts) AS start_ts,
    max(p.end_ts) AS end_ts,
    if(sum(p.root_spans) > 0, max(p.root_duration_ms), (toUnixTimestamp64Nano(max(p.end_ts)) - toUnixTimestamp64Nano(min(p.start_ts))) / 1e6) AS duration_ms,
    multiIf(sum(p.root_spans) = 0, 'running', max(p.root_status) = 2, 'error', 'ok') AS outcome,
    sum(p.steps) AS steps,
    sum(p.model_calls) AS model_calls,
    sum(p.tool_calls) AS tool_calls,
    arraySum(n -> n - 1, mapValues(sumMap(p.tool_call_counts))) AS loops,
    sum(p.errors) AS errors,
    sum(p.tokens_prompt) AS tokens_prompt,
    sum(p.tokens_completion) AS tokens_completion,
    sum(p.tokens_cached) AS tokens_cached,
    sum(p.tokens_reasoning) AS tokens_reasoning,
    sum(p.cost_usd) AS cost_usd,
    sum(p.unpriced_calls) AS unpriced_calls
FROM {{ database }}.runs_parts AS p
{%- endmacro %}
-- A row a trace. Loops: calls of a tool by the same agent with the same arguments beyond the first.
CREATE OR REPLACE VIEW {{ database }}.runs AS
{{ runs() }}
GROUP BY p.tenant_id, p.trace_id;

CREATE OR REPLACE VIEW {{ database }}.runs_between AS
{{ runs() }}
WHERE p.minute >= toStartOfMinute({from:DateTime('UTC')}) AND p.minute < {to:DateTime('UTC')}
GROUP BY p.tenant_id, p.trace_id;

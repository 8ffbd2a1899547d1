-- Who runs in circles: the very same tool call (agent, tool, arguments) made again and again within one run.
SELECT
    agent_name AS agent,
    agent_version AS version,
    uniqExact(trace_id) AS runs,
    countIf(same_calls > 3) AS looping_runs,
    looping_runs / runs AS looping,
    max(same_calls) AS most_repeated,
    argMax(tool_name, same_calls) AS tool
FROM
(
    SELECT
        trace_id,
        agent_name,
        agent_version,
        tool_name,
        count() AS same_calls
    FROM telemetry.spans
    WHERE start_ts >= {from:DateTime('UTC')} AND start_ts < {to:DateTime('UTC')} AND tool_call_hash != 0
    GROUP BY tenant_id, trace_id, agent_name, agent_version, tool_name, tool_call_hash
)
GROUP BY agent, version
HAVING looping_runs > 0
ORDER BY looping DESC, most_repeated DESC
LIMIT 5

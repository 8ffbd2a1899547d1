{# Tool calls, their errors and latency by tool and agent. #}
SELECT
    tenant_id,
    toStartOfMinute(toDateTime(start_ts, 'UTC')) AS minute,
    toUInt64({{ generation }}) AS generation,
    env, tool_name, agent_name,
    count() AS calls,
    countIf(status_code = 'error') AS errors,
    quantilesDDState(0.01, 0.5, 0.9, 0.95, 0.99)(duration_ms) AS latency_ms
FROM {{ source }}
WHERE tool_name != ''{{ ' AND (' ~ where ~ ')' if where }}
GROUP BY tenant_id, minute, env, tool_name, agent_name

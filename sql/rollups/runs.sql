{# A run is a trace. Its spans arrive in any order and minute, so these are parts by minute whose states merge; the view
   `runs` puts them together. Cost and tokens are of model calls only. tool_call_counts: how often each call (same agent,
   tool and arguments) was made; what goes beyond the first is a loop. root_status: of several roots the worst,
   by the enum's numbers: error, ok, unset. #}
SELECT
    tenant_id,
    toStartOfMinute(toDateTime(s.start_ts, 'UTC')) AS minute,
    toUInt64({{ generation }}) AS generation,
    trace_id,
    max(toString(s.env)) AS env,
    count() AS steps,
    countIf(is_inference) AS model_calls,
    countIf(tool_name != '') AS tool_calls,
    countIf(status_code = 'error') AS errors,
    countIf(cost_source = 'unpriced') AS unpriced_calls,
    sum(toDecimal128(if(is_inference, ifNull(s.cost_usd, 0), 0), 12)) AS cost_usd,
    sumMap(if(tool_call_hash = 0, CAST(map(), 'Map(UInt64, UInt64)'), map(tool_call_hash, toUInt64(1)))) AS tool_call_counts,
    min(s.start_ts) AS start_ts,
    max(s.end_ts) AS end_ts,
    countIf(parent_span_id = toFixedString('', 8)) AS root_spans,
    max(if(parent_span_id = toFixedString('', 8), toInt8(status_code), toInt8(0))) AS root_status,
    max(if(parent_span_id = toFixedString('', 8), toString(operation), '')) AS root_operation,
    max(if(parent_span_id = toFixedString('', 8), toString(service_name), '')) AS root_service,
    max(if(parent_span_id = toFixedString('', 8), duration_ms, 0)) AS root_duration_ms,
    max(toString(s.agent_name)) AS agent_name,
    max(if(parent_span_id = toFixedString('', 8), toString(s.agent_name), '')) AS root_agent,
    max(toString(s.workflow_id)) AS workflow_id,
    max(s.user_id) AS user_id,
    max(s.session_id) AS session_id,
    {% for column in ['tokens_prompt', 'tokens_completion', 'tokens_cached', 'tokens_reasoning'] %}
    sum(if(is_inference, ifNull(s.{{ column }}, 0), 0)) AS {{ column }}{{ ',' if not loop.last }}
    {% endfor %}
FROM {{ source }} AS s
{{ 'WHERE ' ~ where if where }}
GROUP BY tenant_id, minute, trace_id

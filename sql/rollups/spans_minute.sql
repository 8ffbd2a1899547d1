{# Spans, errors and latency by service, operation and agent, requests apart from what happens on the way. #}
{% import 'macros/rollups.sql' as rollups with context %}
SELECT
    tenant_id,
    toStartOfMinute(toDateTime(start_ts, 'UTC')) AS minute,
    toUInt64({{ generation }}) AS generation,
    env, service_name, operation, agent_name,
    {{ rollups.entry() }} AS entry,
    count() AS spans,
    countIf(status_code = 'error') AS errors,
    countIf(notEmpty(invalid_fields)) AS invalid,
    quantilesDDState(0.01, 0.5, 0.9, 0.95, 0.99)(duration_ms) AS latency_ms,
    sumMap(map({{ rollups.bucket('duration_ms') }}, toUInt64(1))) AS latency_histogram,
    uniqState(trace_id) AS traces
FROM {{ source }}
{{ 'WHERE ' ~ where if where }}
GROUP BY tenant_id, minute, env, service_name, operation, agent_name, entry

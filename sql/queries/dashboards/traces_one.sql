-- One trace as the trace panel takes it: milliseconds, ids in hex, tags and events' fields as key and value.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    lower(hex(s.trace_id)) AS traceID,
    lower(hex(s.span_id)) AS spanID,
    if(s.parent_span_id = toFixedString('', 8), '', lower(hex(s.parent_span_id))) AS parentSpanID,
    s.service_name AS serviceName,
    s.operation AS operationName,
    toUnixTimestamp64Nano(s.start_ts) / 1e6 AS startTime,
    s.duration_ms AS duration,
    toUInt8(s.status_code) AS statusCode,
    s.status_message AS statusMessage,
    arrayConcat(
        arrayMap(key -> map('key', toString(key), 'value', s.attributes[key]), mapKeys(s.attributes)),
        if(s.cost_usd IS NULL, [], [map('key', 'booked cost in USD', 'value', toString(s.cost_usd))])
    ) AS tags,
    arrayMap(key -> map('key', toString(key), 'value', s.resource_attributes[key]), mapKeys(s.resource_attributes)) AS serviceTags,
    e.logs AS logs
FROM
(
    SELECT *
    {{ d.one_trace('spans_raw', 'start_ts') }}
    LIMIT 1 BY tenant_id, span_id
) AS s
LEFT JOIN
(
    SELECT
        span_id,
        arraySort(event -> event.timestamp, groupArray(tuple(
            toUnixTimestamp64Nano(event_ts) / 1e6,
            arrayConcat(
                [map('key', 'message', 'value', toString(event_type))],
                arrayMap(field -> map('key', field.1, 'value', field.2), JSONExtractKeysAndValues(payload_json, 'attributes', 'String'))
            )
        )::Tuple(timestamp Float64, fields Array(Map(String, String))))) AS logs
    FROM
    (
        SELECT span_id, event_ts, event_type, payload_json
        {{ d.one_trace('events_raw', 'event_ts') }} AND source = 'span'
        LIMIT 1 BY tenant_id, event_ts, event_type, span_id, event_key
    )
    GROUP BY span_id
) AS e ON e.span_id = s.span_id
ORDER BY startTime
LIMIT 5000

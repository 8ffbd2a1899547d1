-- Log records of the chosen trace, as the logs panel takes them.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    event_ts AS timestamp,
    payload_json AS body,
    lower(toString(severity)) AS level,
    lower(hex(trace_id)) AS traceID
FROM
(
    SELECT *
    {{ d.one_trace('events_raw', 'event_ts') }}
    LIMIT 1 BY tenant_id, event_ts, event_type, span_id, event_key
)
WHERE source = 'log'
ORDER BY timestamp
LIMIT 500

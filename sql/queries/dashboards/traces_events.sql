-- Events and exceptions of the chosen trace, in their order.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    event_ts AS time,
    event_type AS event,
    lower(hex(span_id)) AS span_id,
    severity,
    agent_name AS agent,
    tool_name AS tool,
    payload_json AS payload
FROM
(
    SELECT *
    {{ d.one_trace('events_raw', 'event_ts') }}
    LIMIT 1 BY tenant_id, event_ts, event_type, span_id, event_key
)
WHERE source = 'span'
ORDER BY time
LIMIT 500

-- spans_in -> what else is kept of a span: its events and content, the keys that show a repeat, the trace index.

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.span_events_mv TO {{ database }}.events_raw AS
SELECT
    tenant_id, env, service_name,
    event.2 AS event_type,
    'span' AS source,
    event.1 AS event_ts,
    trace_id, span_id,
    if(event.2 = 'exception', 'error', '') AS severity,
    replaceAll(toJSONString(map('attributes', event.3)), '\\/', '/') AS payload_json,
    agent_name, model, tool_name,
    CAST(NULL, 'Nullable(UInt64)') AS tokens_prompt,
    CAST(NULL, 'Nullable(UInt64)') AS tokens_completion,
    CAST(NULL, 'Nullable(Decimal(18, 12))') AS cost_usd,
    sipHash64(payload_json, position) AS event_key,
    retention_days, topic, partition, offset, ingest_ts
FROM {{ database }}.spans_in
ARRAY JOIN events AS event, arrayEnumerate(events) AS position;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.span_content_mv TO {{ database }}.content AS
SELECT tenant_id, start_ts AS ts, trace_id, span_id, 'span' AS source, toUInt32(0) AS position, item.1 AS name, item.2 AS text, env, service_name, ingest_ts
FROM {{ database }}.spans_in
ARRAY JOIN content AS item;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.span_events_content_mv TO {{ database }}.content AS
SELECT tenant_id, start_ts AS ts, trace_id, span_id, 'event' AS source, toUInt32(position) AS position, item.1 AS name, item.2 AS text, env, service_name, ingest_ts
FROM
(
    SELECT tenant_id, start_ts, trace_id, span_id, env, service_name, ingest_ts, attributes_kept, position
    FROM {{ database }}.spans_in
    ARRAY JOIN events_content AS attributes_kept, arrayEnumerate(events_content) AS position
)
ARRAY JOIN arrayZip(mapKeys(attributes_kept), mapValues(attributes_kept)) AS item;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.span_keys_mv TO {{ database }}.span_keys AS
SELECT
    toStartOfMinute(toDateTime(start_ts, 'UTC')) AS minute,
    tenant_id,
    cityHash64(trace_id, span_id) AS span_key,
    topic, partition, offset, ingest_ts
FROM {{ database }}.spans_in;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.trace_index_mv TO {{ database }}.trace_index AS
{% with source = database ~ '.spans_in', where = '' %}
{% include 'rollups/trace_index.sql' %}
{% endwith %};

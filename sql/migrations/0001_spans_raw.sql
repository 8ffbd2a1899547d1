-- One row a span, and the view that people query.
-- kind: metadata
{% import 'macros/span_columns.sql' as columns with context %}
{% import 'macros/ttl.sql' as ttl with context %}

-- The key ends in the span's identity: a span sent again collapses on merge, and at once for readers with FINAL.
-- The primary key held in memory is shorter.
CREATE TABLE IF NOT EXISTS {{ database }}.spans_raw
(
{{ columns.definition() }},
    attributes_json JSON ALIAS CAST(toJSONString(attributes), 'JSON'),
    INDEX start_ts_range start_ts TYPE minmax GRANULARITY 1,
    INDEX trace_id_filter trace_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(start_ts)
PRIMARY KEY (tenant_id, toDate(start_ts), service_name, operation, start_ts)
ORDER BY (tenant_id, toDate(start_ts), service_name, operation, start_ts, trace_id, span_id)
TTL {{ ttl.raw('start_ts') }}
SETTINGS storage_policy = '{{ storage_policy }}', ttl_only_drop_parts = 0;

CREATE OR REPLACE VIEW {{ database }}.spans AS
SELECT
    lower(hex(trace_id)) AS trace_id,
    lower(hex(span_id)) AS span_id,
    if(parent_span_id = toFixedString('', 8), '', lower(hex(parent_span_id))) AS parent_span_id,
    {{ columns.names | reject('in', ['trace_id', 'span_id', 'parent_span_id']) | join(',\n    ') }},
    attributes_json
FROM {{ database }}.spans_raw FINAL;

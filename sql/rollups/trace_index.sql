{# Where a trace is. Only min and max, so a repeat changes nothing and no generation is needed. #}
SELECT
    trace_id,
    tenant_id,
    toDate(s.start_ts) AS day,
    min(s.start_ts) AS min_ts,
    max(s.end_ts) AS max_ts,
    max(if(parent_span_id = toFixedString('', 8), toString(service_name), '')) AS root_service,
    max(if(parent_span_id = toFixedString('', 8), toString(operation), '')) AS root_operation
FROM {{ source }} AS s
{{ 'WHERE ' ~ where if where }}
GROUP BY trace_id, tenant_id, day

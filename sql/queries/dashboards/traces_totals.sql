-- The chosen trace in one row.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    count() AS spans,
    countIf(status_code = 'error') AS failed,
    (toUnixTimestamp64Nano(max(end_ts)) - toUnixTimestamp64Nano(min(start_ts))) / 1e6 AS duration,
    {{ d.spans_usd() }} AS usd,
    sumIf(ifNull(tokens_prompt, 0) + ifNull(tokens_completion, 0), is_inference) AS tokens
FROM
(
    SELECT *
    {{ d.one_trace('spans_raw', 'start_ts') }}
    LIMIT 1 BY tenant_id, span_id
)
HAVING count() > 0

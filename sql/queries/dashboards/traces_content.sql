-- Prompts and completions of the chosen trace, where the tenant keeps them.
{% import 'macros/dashboards.sql' as d with context %}
SELECT ts AS time, lower(hex(span_id)) AS span_id, name, text
FROM
(
    SELECT *
    {{ d.one_trace('content', 'ts') }}
    LIMIT 1 BY tenant_id, span_id, source, position, name, ts
)
ORDER BY time, span_id, position
LIMIT 200

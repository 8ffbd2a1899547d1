{# Upper bounds in milliseconds; a key is the bound of its bucket, the last one catches the rest. #}
{% set latency_bounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000] %}
{# A request to a service, as opposed to what it does on the way: a trace's root, what another process asked for, an agent that
   was invoked (but not the caller's side of that). Objectives count these. #}
{% macro entry() -%}
(parent_span_id = toFixedString('', 8) OR kind IN ('server', 'consumer') OR (gen_ai_operation = 'invoke_agent' AND kind != 'client'))
{%- endmacro %}
{% macro bucket(ms) -%}
toUInt32(ifNull(arrayFirstOrNull(b -> {{ ms }} <= b, {{ latency_bounds }}), 4294967295))
{%- endmacro %}

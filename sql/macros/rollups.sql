{# Upper bounds in milliseconds; a key is the bound of its bucket, the last one catches the rest. #}
{% set latency_bounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000] %}
{% macro bucket(ms) -%}
toUInt32(ifNull(arrayFirstOrNull(b -> {{ ms }} <= b, {{ latency_bounds }}), 4294967295))
{%- endmacro %}

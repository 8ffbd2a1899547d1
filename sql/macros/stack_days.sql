{# After how many days the live table deletes rows that are stamped with 0. 0: never. #}
{% macro stack_days(table) -%}
SELECT toUInt32OrZero(extract(create_table_query, 'retention_days = 0, (\\d+)'))
FROM system.tables
WHERE database = 'telemetry' AND name = {{ table | sql_string }}
{%- endmacro %}

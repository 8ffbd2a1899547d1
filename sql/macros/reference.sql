{# A reference table's rows as they are wanted, its load and its live rows: infra/postdeploy/reference_tables.py. `types`:
   column to type, in order; `key`: what makes a row. #}
{% macro wanted(table, types) %}
{% set columns = types | join(', ') %}
{% set schema %}{% for column, type in types.items() %}{{ column }} {{ type }}{{ ', ' if not loop.last }}{% endfor %}{% endset %}
SELECT {{ columns }}
{% if rows %}
    FROM format(JSONEachRow, {{ schema | sql_string }}, {{ rows | join('\n') | sql_string }})
{%- else %}
    FROM {{ database }}.{{ table }}
    WHERE false
{%- endif %}
{% endmacro %}
{% macro load(table, types, key) %}
{% set columns = types | join(', ') %}
INSERT INTO {{ database }}.{{ table }} ({{ columns }}, removed)
WITH wanted AS
(
    {{ wanted(table, types) }}
)
SELECT {{ columns }}, false AS removed
FROM wanted
UNION ALL
SELECT {{ columns }}, true AS removed
FROM {{ database }}.{{ table }} AS stored FINAL
WHERE NOT stored.removed AND ({{ key }}) NOT IN (SELECT {{ key }} FROM wanted)
{% endmacro %}
{% macro live(table, types) %}
SELECT formatRowNoNewline('JSONEachRow', {{ types | join(', ') }}) AS row
FROM {{ database }}.{{ table }} FINAL
WHERE NOT removed
SETTINGS output_format_json_quote_decimals = 1
{% endmacro %}
{% set prices = {
    'provider': 'String', 'model': 'String', 'valid_from': "DateTime('UTC')", 'valid_to': "DateTime('UTC')",
    'input_usd_per_million': 'Decimal(18, 6)', 'cached_usd_per_million': 'Nullable(Decimal(18, 6))',
    'output_usd_per_million': 'Decimal(18, 6)', 'reasoning_usd_per_million': 'Nullable(Decimal(18, 6))', 'source': 'String',
} %}
{% set tables = {
    'model_prices': prices,
    'price_scenarios': dict({'scenario': 'String'}, **prices),
    'tenants': {'tenant_id': 'String', 'retention_days': 'UInt16', 'keep_content': 'Bool'},
    'stack_costs': {
        'part': 'String', 'usd_a_month': 'Nullable(Decimal(18, 6))', 'usd_a_million_spans': 'Nullable(Decimal(18, 6))',
        'reading': 'String',
    },
} %}
{% set keys = {
    'model_prices': 'provider, model, valid_from', 'price_scenarios': 'scenario, provider, model, valid_from',
    'tenants': 'tenant_id', 'stack_costs': 'part',
} %}

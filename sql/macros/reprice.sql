{# Tokens at a price table, per million: input, cached, output, reasoning. Read as rows, not as the dictionary: who draws
   dashboards may only read. A model's price is found as at ingest (lift.sql): the provider's before anybody's, the full name's
   before that without its build.

   columns()           the sums of cost_minute that repricing needs, under short names
   joins(c, p, table)  the prices for the rows `c` (columns `provider`, `model`) as `p`; table: 'now' or 'chosen' (the dashboard's
                       variable `prices`: model_prices as it holds now, or a scenario of configs/price_scenarios.yaml)
   usd(c, p)           what the row's tokens cost at them; NULL without a price #}
{% set build = "'((-20\\\\d\\\\d-\\\\d\\\\d-\\\\d\\\\d|-20\\\\d{6})(-v\\\\d+:\\\\d+)?|-v\\\\d+:\\\\d+|-latest|@[0-9a-z-]+)$'" %}
{% set now = 'list prices of now' %}
{% macro columns() -%}
provider,
        model,
        sum(calls) AS calls,
        sum(tokens_prompt) AS prompt,
        sum(tokens_cached) AS cached,
        sum(tokens_completion) AS completion,
        sum(tokens_reasoning) AS reasoning,
        toFloat64(sum(cost_usd)) AS usd,
        sum(unpriced_calls) AS unpriced
{%- endmacro %}
{% macro stored(table) -%}
{% set columns = 'provider, model, valid_from, valid_to, input_usd_per_million, cached_usd_per_million, output_usd_per_million, reasoning_usd_per_million' %}
{% if table == 'chosen' -%}
SELECT {{ columns }} FROM telemetry.model_prices FINAL WHERE NOT removed AND '{{ now }}' IN (${prices:singlequote})
            UNION ALL
            SELECT {{ columns }} FROM telemetry.price_scenarios FINAL WHERE NOT removed AND scenario IN (${prices:singlequote})
{%- else -%}
SELECT {{ columns }} FROM telemetry.model_prices FINAL WHERE NOT removed
{%- endif %}
{%- endmacro %}
{% macro prices(table, whose='') -%}
SELECT
            lower(provider) AS provider, lower(model) AS model, toUInt8(1) AS found,
            (
                toFloat64(input_usd_per_million), toFloat64(ifNull(cached_usd_per_million, input_usd_per_million)),
                toFloat64(output_usd_per_million), toFloat64(ifNull(reasoning_usd_per_million, output_usd_per_million))
            ) AS price
        FROM
        (
            {{ stored(table) }}
        )
        WHERE valid_from <= now() AND valid_to >= now(){{ " AND provider = ''" if whose == 'any' }}
        LIMIT 1 BY provider, model
{%- endmacro %}
{% macro short(c) -%}
replaceRegexpOne(lower({{ c }}.model), {{ build }}, '')
{%- endmacro %}
{% macro joins(c, p, table) -%}
LEFT JOIN ({{ prices(table) }}) AS {{ p }}_own ON {{ p }}_own.provider = lower({{ c }}.provider) AND {{ p }}_own.model = lower({{ c }}.model)
LEFT JOIN ({{ prices(table, 'any') }}) AS {{ p }}_any ON {{ p }}_any.model = lower({{ c }}.model)
LEFT JOIN ({{ prices(table) }}) AS {{ p }}_own_short ON {{ p }}_own_short.provider = lower({{ c }}.provider) AND {{ p }}_own_short.model = {{ short(c) }}
LEFT JOIN ({{ prices(table, 'any') }}) AS {{ p }}_any_short ON {{ p }}_any_short.model = {{ short(c) }}
{%- endmacro %}
{% macro usd(c, p) -%}
{% set price = 'multiIf(' ~ p ~ '_own.found = 1, ' ~ p ~ '_own.price, ' ~ p ~ '_any.found = 1, ' ~ p ~ '_any.price, ' ~ p ~ '_own_short.found = 1, ' ~ p ~ '_own_short.price, ' ~ p ~ '_any_short.price)' %}
if(greatest({{ p }}_own.found, {{ p }}_any.found, {{ p }}_own_short.found, {{ p }}_any_short.found) = 1, (
        ({{ c }}.prompt - least({{ c }}.cached, {{ c }}.prompt)) * {{ price }}.1 + least({{ c }}.cached, {{ c }}.prompt) * {{ price }}.2
        + ({{ c }}.completion - least({{ c }}.reasoning, {{ c }}.completion)) * {{ price }}.3 + least({{ c }}.reasoning, {{ c }}.completion) * {{ price }}.4
    ) / 1e6, NULL)
{%- endmacro %}

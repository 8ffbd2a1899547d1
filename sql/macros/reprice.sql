{# The price table as it holds now, per million tokens: input, cached, output, reasoning. Read as rows, not as the dictionary:
   who draws dashboards may only read. `build` is cut off a model's name as at ingest (lift.sql). #}
{% set build = "'((-20\\\\d\\\\d-\\\\d\\\\d-\\\\d\\\\d|-20\\\\d{6})(-v\\\\d+:\\\\d+)?|-v\\\\d+:\\\\d+|-latest|@[0-9a-z-]+)$'" %}
{% macro prices(whose='') -%}
SELECT
        lower(provider) AS provider, lower(model) AS model, toUInt8(1) AS found,
        (
            toFloat64(input_usd_per_million), toFloat64(ifNull(cached_usd_per_million, input_usd_per_million)),
            toFloat64(output_usd_per_million), toFloat64(ifNull(reasoning_usd_per_million, output_usd_per_million))
        ) AS price
    FROM telemetry.model_prices FINAL
    WHERE NOT removed AND valid_from <= now() AND valid_to >= now(){{ " AND provider = ''" if whose == 'any' }}
    LIMIT 1 BY provider, model
{%- endmacro %}

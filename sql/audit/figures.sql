{# Every figure of some keys on two sides: "expected" by the side it must agree with, "found" as stored or shown.
   Span keys are the measure for raw, deduplicated raw is the measure for the rollups. A row: side, key, figures. #}
{% set tokens = {
    'prompt tokens': 'sum(tokens_prompt)',
    'completion tokens': 'sum(tokens_completion)',
    'cached tokens': 'sum(tokens_cached)',
    'reasoning tokens': 'sum(tokens_reasoning)',
    'cost (USD)': 'sum(cost_usd)',
} %}
{% set figures = {
    'spans_minute': {'spans': 'sum(spans)', 'errors': 'sum(errors)', 'requests': 'sumIf(spans, entry)', 'invalid spans': 'sum(invalid)'},
    'cost_minute': dict({'model calls': 'sum(calls)', 'unpriced calls': 'sum(unpriced_calls)'}, **tokens),
    'tools_minute': {'tool calls': 'sum(calls)', 'tool errors': 'sum(errors)'},
    'runs': {'run steps': 'sum(steps)', 'run model calls': 'sum(model_calls)', 'run cost (USD)': 'sum(cost_usd)'},
} %}
{% macro pairs(named) -%}
[{% for name, expression in named.items() %}({{ name | sql_string }}, CAST({{ expression }} AS Decimal(38, 12))){{ ', ' if not loop.last }}{% endfor %}]
{%- endmacro %}
{% set shown_keys %}
minute BETWEEN toDateTime({{ first }}, 'UTC') AND toDateTime({{ end }}, 'UTC') AND tenant_id IN ({{ tenants }})
        AND (tenant_id, toUnixTimestamp(minute)) IN ({{ keys }}){% endset %}
SELECT 'expected' AS side, tenant_id, toUnixTimestamp(minute) AS at, {{ pairs({'spans in raw': 'uniqExact(span_key)'}) }}
FROM telemetry.span_keys
WHERE {{ shown_keys }} AND minute >= toDateTime({{ remembered }}, 'UTC')
GROUP BY tenant_id, at
UNION ALL
SELECT 'found' AS side, tenant_id, toUnixTimestamp(toStartOfMinute(start_ts)) AS at,
    {{ pairs({'spans in raw': 'uniqExact(cityHash64(trace_id, span_id))'}) }}
FROM telemetry.spans_raw
WHERE {{ where }} AND start_ts >= toDateTime64({{ remembered }}, 9, 'UTC')
GROUP BY tenant_id, at
{% for name, rollup in rollups.items() %}
UNION ALL
SELECT 'expected' AS side, tenant_id, toUnixTimestamp(minute) AS at, {{ pairs(figures[name]) }}
FROM ({{ rollup.select }})
GROUP BY tenant_id, at
UNION ALL
SELECT 'found' AS side, tenant_id, toUnixTimestamp(minute) AS at, {{ pairs(figures[name]) }}
FROM telemetry.{{ 'runs_parts' if name == 'runs' else name }}
WHERE {{ shown_keys }}
GROUP BY tenant_id, at
{% endfor %}

{# A table's rows by tenant and by the days that they are stamped with; of each how many are past these days, and how many
   past those of the tenant's now. Repeated rows count. A row's bytes are its part's by rows. `wanted`: tenant to days. #}
{% import 'macros/stack_days.sql' as raw with context %}
{% macro past(days) -%}
{{ days }} > 0 AND toDateTime({{ ts }}) + toIntervalDay({{ days }}) <= now()
{%- endmacro %}
SELECT
    tenant_id,
    stamped,
    sum(counted) AS rows,
    min(first) AS oldest,
    sum(past_now) AS past,
    sum(past_then) AS past_wanted,
    sum(counted * part_bytes) AS bytes,
    sum(past_then * part_bytes) AS past_wanted_bytes
FROM
(
    WITH
        ({{ raw.stack_days(table) }}) AS stack_days,
        if(retention_days = 0, stack_days, retention_days) AS stamped_days,
        {% if wanted -%}
        transform(tenant_id, [{% for tenant in wanted %}{{ tenant | sql_string }}{{ ', ' if not loop.last }}{% endfor %}], [{{ wanted.values() | join(', ') }}], 0) AS own_days,
        {%- else -%}
        0 AS own_days,
        {%- endif %}

        if(own_days = 0, stack_days, own_days) AS wanted_days
    SELECT
        tenant_id,
        retention_days AS stamped,
        _part AS part,
        count() AS counted,
        toDateTime(min({{ ts }}), 'UTC') AS first,
        countIf({{ past('stamped_days') }}) AS past_now,
        countIf({{ past('wanted_days') }}) AS past_then
    FROM telemetry.{{ table }}
{% if tenant %}
    WHERE tenant_id = {{ tenant | sql_string }}
{% endif %}
    GROUP BY tenant_id, stamped, part
) AS by_part
LEFT JOIN
(
    SELECT name, bytes_on_disk / rows AS part_bytes
    FROM system.parts
    WHERE active AND database = 'telemetry' AND table = {{ table | sql_string }} AND rows > 0
) AS parts ON parts.name = by_part.part
GROUP BY tenant_id, stamped
ORDER BY tenant_id, stamped

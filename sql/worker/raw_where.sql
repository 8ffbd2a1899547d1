{# The condition under which raw rows belong to the keys: ranges for the primary key, then the exact pairs. #}
tenant_id IN ({{ tenants }})
    AND start_ts >= toDateTime64({{ first }}, 9, 'UTC') AND start_ts < toDateTime64({{ end }}, 9, 'UTC')
{% if keys %}
    AND (tenant_id, toUnixTimestamp(toStartOfMinute(start_ts))) IN ({{ keys }})
{% endif %}

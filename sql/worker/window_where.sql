{# The condition for all raw rows of a stretch of time, of one tenant or of all. #}
start_ts >= toDateTime64({{ first }}, 9, 'UTC') AND start_ts < toDateTime64({{ end }}, 9, 'UTC')
{% if tenant %}
    AND tenant_id = {{ tenant | sql_string }}
{% endif %}

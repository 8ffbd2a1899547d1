{# What tells one log record of a tenant from another: the rest of events_raw's sort key. #}
{% macro log_key() -%}
cityHash64(toString(event_type), event_ts, trace_id, span_id, event_key)
{%- endmacro %}

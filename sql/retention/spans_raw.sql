-- Raw spans: moved by age, deleted by the stack's or their tenant's retention.
{% import 'macros/ttl.sql' as ttl with context %}
ALTER TABLE {{ database }}.spans_raw MODIFY TTL {{ ttl.raw('start_ts') }};

-- Events: as their spans.
{% import 'macros/ttl.sql' as ttl with context %}
ALTER TABLE {{ database }}.events_raw MODIFY TTL {{ ttl.raw('event_ts') }};

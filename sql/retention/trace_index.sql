-- The trace index: as long as raw.
{% import 'macros/ttl.sql' as ttl with context %}
ALTER TABLE {{ database }}.trace_index MODIFY TTL {{ ttl.index('day') }};

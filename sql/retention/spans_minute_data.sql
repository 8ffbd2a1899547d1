-- Rollups and runs: by a setting of their own.
{% import 'macros/ttl.sql' as ttl with context %}
ALTER TABLE {{ database }}.spans_minute_data MODIFY TTL {{ ttl.rollups('minute') }};

-- What could not be parsed: by a setting of its own.
{% import 'macros/ttl.sql' as ttl with context %}
ALTER TABLE {{ database }}.dead_letters MODIFY TTL {{ ttl.dead_letters('message_ts') }};

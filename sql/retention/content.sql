-- Prompts and completions: by a setting of their own.
{% import 'macros/ttl.sql' as ttl with context %}
ALTER TABLE {{ database }}.content MODIFY TTL {{ ttl.content('ts') }};

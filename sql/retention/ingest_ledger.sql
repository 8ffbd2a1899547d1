-- The ledger: as long as raw.
{% import 'macros/ttl.sql' as ttl with context %}
ALTER TABLE {{ database }}.ingest_ledger MODIFY TTL {{ ttl.index('ingest_ts') }};

-- What is asked instead of `telemetry` where there are several shards: the same names, over all of them.
-- docs/decisions/0009-shards.md says why each is as it is. Applied anew after every migration; stores nothing.
{% import 'macros/shards.sql' as shards_then with context %}
{% set shard = database %}
{% set all = database ~ '_all' %}
{% set distributed = "ENGINE = Distributed('" ~ cluster ~ "', '" ~ shard ~ "', '" %}

CREATE DATABASE IF NOT EXISTS {{ all }}{{ " ENGINE = Replicated('/clickhouse/databases/" ~ all ~ ("-" ~ shards.number if shards.number > 1 else "") ~ "', '{shard}', '{replica}')" if replicated }};

-- Rows of one shard each: what a shard answers for its part is right by itself, FINAL and the generations' join included.
{% for name in rows %}
CREATE OR REPLACE TABLE {{ all }}.{{ name }} AS {{ shard }}.{{ name }} {{ distributed }}{{ name }}');

{% endfor %}
-- The same on every shard: the one that is asked answers.
{% for name in equal %}
CREATE OR REPLACE TABLE {{ all }}.{{ name }} AS {{ shard }}.{{ name }} ENGINE = Merge('{{ shard }}', '^{{ name }}$');

{% endfor %}
-- Every shard reads every message: of its rows those are shown that one shard has, chosen by partition among those
-- that there were when the message came.
{% for name in ['ingest_ledger', 'dead_letters'] %}
CREATE OR REPLACE TABLE {{ all }}.{{ name }}_of_shards AS {{ shard }}.{{ name }} {{ distributed }}{{ name }}');

CREATE OR REPLACE VIEW {{ all }}.{{ name }} AS
SELECT * FROM {{ all }}.{{ name }}_of_shards
WHERE _shard_num = partition % {{ shards_then.count() }} + 1;

{% endfor %}
-- A trace lies on one shard, unless shards were added while it ran: its parts are put together here.
{% for name, statement in merged.items() %}
{{ statement }};

{% endfor %}

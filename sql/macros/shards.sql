{# Which shard keeps a row (docs/decisions/0009-shards.md): a pure function of the row's trace and of the time at which Kafka took
   its message. Every shard reads every message and drops what others keep, so nothing depends on who reads what when.
   shards.since: [[Unix ms, shards], …], the oldest first; empty: always as many as now. #}
{% macro count() -%}
{%- if shards.since | length > 1 -%}
multiIf({% for began, number in shards.since[1:] %}message_ts < fromUnixTimestamp64Milli({{ began }}), {{ shards.since[loop.index0][1] }}, {% endfor %}{{ shards.since[-1][1] }})
{%- else -%}
{{ shards.count }}
{%- endif -%}
{%- endmacro %}

{# A trace lies on one shard. A row without one goes by what else it was sent with, which a repeat has as well. #}
{% macro kept(trace, otherwise) -%}
if({{ trace }} = '', cityHash64({{ otherwise }}), cityHash64({{ trace }})) % {{ count() }} = {{ shards.number - 1 }}
{%- endmacro %}

{# For every topic, the spans or log records of the messages that arrived since the given time and how many of their rows
   are missing. With several shards a message's rows lie on several of them, and it counts once every shard has read it:
   compared are messages that the last of them read since the given time, and the first of them within `remembered`. #}
{% set database = 'telemetry_all' if shards > 1 else 'telemetry' %}
WITH
{% if shards > 1 %}
lately AS
(
    SELECT DISTINCT topic, partition, offset
    FROM telemetry_all.ingest_ledger_of_shards
    WHERE ingest_ts >= fromUnixTimestamp64Milli({{ since }}) AND NOT is_dead_letter
),
arrived AS
(
    SELECT topic, partition, offset, max(spans) AS spans, min(ingest_ts) AS first
    FROM telemetry_all.ingest_ledger_of_shards
    WHERE (topic, partition, offset) IN (SELECT topic, partition, offset FROM lately)
    GROUP BY topic, partition, offset
    HAVING uniqExact(_shard_num) = {{ shards }} AND first >= fromUnixTimestamp64Milli({{ remembered }})
),
{% else %}
arrived AS
(
    SELECT topic, partition, offset, max(spans) AS spans
    FROM telemetry.ingest_ledger
    WHERE ingest_ts >= fromUnixTimestamp64Milli({{ since }}) AND NOT is_dead_letter
    GROUP BY topic, partition, offset
),
{% endif %}
stored AS
(
{% for table in ['span_keys', 'log_keys'] %}
    SELECT topic, partition, offset, count() AS rows
    FROM {{ database }}.{{ table }}
    WHERE ingest_ts >= {{ '(SELECT min(first) FROM arrived)' if shards > 1 else 'fromUnixTimestamp64Milli(' ~ since ~ ')' }} - INTERVAL 10 MINUTE
    GROUP BY topic, partition, offset
{{ 'UNION ALL' if not loop.last }}
{% endfor %}
)
SELECT
    topic,
    count(),
    sum(spans),
    sum(if(rows < spans, spans - rows, 0)),
    groupArrayIf(5)(concat(toString(partition), '/', toString(offset), ': ', toString(rows), ' of ', toString(spans)), rows < spans)
FROM arrived
LEFT JOIN stored USING (topic, partition, offset)
GROUP BY topic
ORDER BY topic

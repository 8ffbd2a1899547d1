-- As messages.sql, over all shards: a message's spans or log records lie on several, and it counts once every shard has read
-- it. Compared are messages that the last of them read since the given time, and the first of them within `remembered`.
WITH lately AS
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
stored AS
(
{% for table in ['span_keys', 'log_keys'] %}
    SELECT topic, partition, offset, count() AS rows
    FROM telemetry_all.{{ table }}
    WHERE ingest_ts >= (SELECT min(first) FROM arrived) - INTERVAL 10 MINUTE
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

-- For every topic, the spans or log records of the messages that arrived since the given time and how many of their rows
-- are missing.
WITH arrived AS
(
    SELECT topic, partition, offset, max(spans) AS spans
    FROM telemetry.ingest_ledger
    WHERE ingest_ts >= fromUnixTimestamp64Milli({{ since }}) AND NOT is_dead_letter
    GROUP BY topic, partition, offset
),
stored AS
(
{% for table in ['span_keys', 'log_keys'] %}
    SELECT topic, partition, offset, count() AS rows
    FROM telemetry.{{ table }}
    WHERE ingest_ts >= fromUnixTimestamp64Milli({{ since }}) - INTERVAL 10 MINUTE
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

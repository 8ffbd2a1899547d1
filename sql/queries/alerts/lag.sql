-- Seconds by which reading is behind Kafka, by topic and partition: the greater of what 95 of 100 messages took lately to become
-- rows, and of the time for which the oldest message that nobody has read has been waiting, as the worker samples it.
SELECT topic, toString(number) AS partition, max(seconds) AS value
FROM
(
    SELECT topic, partition AS number, quantile(0.95)(dateDiff('millisecond', message_ts, ingest_ts)) / 1000 AS seconds
    FROM telemetry.ingest_ledger
    WHERE ingest_ts > $__toTime - INTERVAL {{ rule.window_minutes }} MINUTE AND ingest_ts <= $__toTime
    GROUP BY topic, number
    UNION ALL
    SELECT s.topic AS topic, s.partition AS number, toFloat64(dateDiff('second', minIf(s.at, s.next > l.read), $__toTime)) AS seconds
    FROM telemetry.kafka_samples AS s
    INNER JOIN
    (
        SELECT topic, partition, consumer_group, argMax(next, at) AS end, argMax(greatest(ifNull(committed, 0), oldest), at) AS read
        FROM telemetry.kafka_samples
        WHERE at > $__toTime - INTERVAL {{ rule.window_minutes }} MINUTE AND at <= $__toTime
        GROUP BY topic, partition, consumer_group
        HAVING end > read
    ) AS l ON l.topic = s.topic AND l.partition = s.partition AND l.consumer_group = s.consumer_group
    WHERE s.at > $__toTime - INTERVAL 1 DAY AND s.at <= $__toTime
    GROUP BY topic, number
)
GROUP BY topic, number
ORDER BY value DESC, topic, partition
LIMIT 100

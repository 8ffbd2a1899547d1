-- Messages that Kafka has and ClickHouse has not read, by partition: the broker's end offset against the committed one.
SELECT
    $__timeInterval(at) AS time,
    concat(topic, '/', toString(partition)) AS place,
    max(next - least(next, greatest(ifNull(committed, 0), oldest))) AS messages
FROM telemetry.kafka_samples
WHERE $__timeFilter(at)
GROUP BY time, place
ORDER BY time, place

-- Hop by hop: offsets that Kafka gave out, messages that ClickHouse has, dead ones, ones that came again, gaps.
SELECT
    topic,
    sum(last - first + 1) AS in_kafka,
    sum(messages) AS in_clickhouse,
    sum(dead) AS dead_letters,
    sum(arrivals - messages) AS came_again,
    toInt64(in_kafka) - toInt64(in_clickhouse) AS missing,
    sum(records) AS spans_or_logs
FROM
(
    SELECT
        topic,
        partition,
        min(offset) AS first,
        max(offset) AS last,
        uniqExact(offset) AS messages,
        count() AS arrivals,
        uniqExactIf(offset, is_dead_letter) AS dead,
        sum(spans) AS records
    FROM telemetry.ingest_ledger
    WHERE $__timeFilter(ingest_ts)
    GROUP BY topic, partition
)
GROUP BY topic
ORDER BY topic

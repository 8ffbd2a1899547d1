-- Each partition: the broker's end, how far ClickHouse has committed it, and how old its newest message was when stored.
SELECT
    k.topic AS topic,
    k.partition AS partition,
    k.next AS end_offset,
    k.committed AS committed,
    k.next - least(k.next, greatest(ifNull(k.committed, 0), k.oldest)) AS lag,
    if(l.seen, l.behind, NULL) AS behind,
    if(l.seen, l.seconds_ago, NULL) AS seconds_ago
FROM
(
    SELECT topic, partition, argMax(oldest, at) AS oldest, argMax(next, at) AS next, argMax(tuple(committed), at).1 AS committed
    FROM telemetry.kafka_samples
    WHERE $__timeFilter(at)
    GROUP BY topic, partition
) AS k
LEFT JOIN
(
    SELECT
        topic,
        partition,
        true AS seen,
        dateDiff('millisecond', argMax(message_ts, offset), argMax(ingest_ts, offset)) / 1000 AS behind,
        dateDiff('second', max(ingest_ts), now64(3)) AS seconds_ago
    FROM telemetry.ingest_ledger
    WHERE $__timeFilter(ingest_ts)
    GROUP BY topic, partition
) AS l ON l.topic = k.topic AND l.partition = k.partition
ORDER BY lag DESC, topic DESC, partition
LIMIT 400

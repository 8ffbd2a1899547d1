-- The pipeline in one row: what waits, what was refused, what could not be read, what the newest audit misses.
{% import 'macros/samples.sql' as s with context %}
SELECT
    (SELECT sum(last - least(last, greatest(done, oldest))) FROM
        (SELECT argMax(next, at) AS last, argMax(ifNull(committed, 0), at) AS done, argMax(oldest, at) AS oldest
         FROM telemetry.kafka_samples WHERE $__timeFilter(at) GROUP BY topic, partition)) AS waiting,
    (SELECT sum(refused) FROM ({{ s.increases(['refused']) }})) AS refused,
    (SELECT uniqExact(topic, partition, offset) FROM telemetry.dead_letters WHERE $__timeFilter(ingest_ts)) AS dead_letters,
    (SELECT argMax(value, at) FROM telemetry.worker_results WHERE step = 'audit' AND $__timeFilter(at)) AS differences
WHERE (SELECT count() FROM telemetry.kafka_samples WHERE $__timeFilter(at)) > 0

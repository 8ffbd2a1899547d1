-- Each collector process of the range: what it took and refused then, and how it is now.
{% import 'macros/samples.sql' as s with context %}
SELECT
    task,
    any(started) AS started,
    dateDiff('second', max(newest), now64(3)) AS seconds_ago,
    sumIf(accepted, signal = 'traces') AS spans,
    sumIf(accepted, signal = 'logs') AS logs,
    sum(refused) AS refused,
    sum(send_failed) AS not_taken_by_kafka,
    max(queue) AS fullest_queue,
    max(memory) AS memory
FROM
(
    SELECT
        task,
        instance,
        signal,
        min(started_at) AS started,
        max(at) AS newest,
        sum(accepted) AS accepted,
        sum(refused) AS refused,
        sum(send_failed) AS send_failed,
        max(queue_share) AS queue,
        argMax(memory_bytes, at) AS memory
    FROM ({{ s.increases(['accepted', 'refused', 'send_failed']) }})
    GROUP BY task, instance, signal
)
GROUP BY task, instance
ORDER BY seconds_ago, refused DESC, task
LIMIT 100

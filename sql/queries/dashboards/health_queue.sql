-- How full each collector's queue to Kafka is: its fullest moment.
SELECT $__timeInterval(at) AS time, concat(task, ' ', signal) AS queue, max(queue_bytes / nullIf(queue_capacity_bytes, 0)) AS used
FROM telemetry.collector_samples
WHERE $__timeFilter(at)
GROUP BY time, queue
ORDER BY time, queue

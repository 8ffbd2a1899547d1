-- Messages that could not be parsed, a minute, by topic.
SELECT $__timeInterval(ingest_ts) AS time, topic, uniqExact(partition, offset) / ($__interval_s / 60) AS dead_letters
FROM telemetry.dead_letters
WHERE $__timeFilter(ingest_ts)
GROUP BY time, topic
ORDER BY time, topic

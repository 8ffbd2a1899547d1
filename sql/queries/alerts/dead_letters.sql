-- Messages that could not be read, by topic; a topic stays for a day, at 0 again.
SELECT topic, toFloat64(uniqExactIf((partition, offset), ingest_ts > $__toTime - INTERVAL {{ rule.window_minutes }} MINUTE)) AS value
FROM telemetry.dead_letters
WHERE ingest_ts > $__toTime - INTERVAL 1 DAY AND ingest_ts <= $__toTime
GROUP BY topic
ORDER BY value DESC, topic

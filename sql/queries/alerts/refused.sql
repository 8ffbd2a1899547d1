-- The share of spans and of log records that the collectors answered with an error, as the worker samples their counters. These
-- begin at 0 when a process starts.
SELECT signal, sum(refused_lately) / (sum(refused_lately) + sum(accepted_lately)) AS value
FROM
(
    SELECT
        instance,
        signal,
        min(started_at) > $__toTime - INTERVAL {{ rule.window_minutes }} MINUTE AS is_new,
        toInt64(max(accepted)) - if(is_new, 0, toInt64(min(accepted))) AS accepted_lately,
        toInt64(max(refused)) - if(is_new, 0, toInt64(min(refused))) AS refused_lately
    FROM telemetry.collector_samples
    WHERE at > $__toTime - INTERVAL {{ rule.window_minutes }} MINUTE AND at <= $__toTime
    GROUP BY instance, signal
)
GROUP BY signal
HAVING sum(refused_lately) + sum(accepted_lately) >= {{ rule.least_records }}
ORDER BY value DESC, signal

-- Spans and log records that the collectors accepted and refused, a second.
{% import 'macros/samples.sql' as s with context %}
SELECT
    $__timeInterval(at) AS time,
    sumIf(accepted, signal = 'traces') / $__interval_s AS spans,
    sumIf(accepted, signal = 'logs') / $__interval_s AS logs,
    sum(refused) / $__interval_s AS refused
FROM ({{ s.increases(['accepted', 'refused']) }})
GROUP BY time
ORDER BY time

-- This month (UTC) up to now, and what it comes to at the pace of the last 7 days. The time range does not matter.
{% import 'macros/dashboards.sql' as d with context %}
WITH toStartOfMonth(now('UTC')) AS first, toStartOfMonth(now('UTC') + INTERVAL 1 MONTH) AS next
SELECT
    toFloat64(sumIf(cost_usd, minute >= first)) AS to_date,
    least(7, greatest(dateDiff('second', min(minute), now('UTC')) / 86400, 1 / 24)) AS days_known,
    toFloat64(sumIf(cost_usd, minute >= now('UTC') - INTERVAL 7 DAY)) / days_known AS usd_a_day,
    to_date + usd_a_day * dateDiff('second', now('UTC'), toDateTime(next, 'UTC')) / 86400 AS forecast
FROM telemetry.cost_minute
WHERE minute >= least(toDateTime(first, 'UTC'), now('UTC') - INTERVAL 7 DAY)
    {{- d.chosen(['environment', 'tenant', 'service', 'agent', 'model', 'workflow']) }}
HAVING count() > 0

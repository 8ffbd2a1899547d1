-- Good requests as a share of all, by service (latency).
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(minute) AS time, service, 1 - sum(slow) / sum(asked) AS reached
FROM {{ d.objective_minutes() }}
WHERE $__timeFilter(minute)
GROUP BY time, service
ORDER BY time, service

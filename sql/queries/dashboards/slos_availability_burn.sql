-- Burn rate of the availability budget by service: 1 uses it up exactly at the end of the window.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(minute) AS time, service, sum(failed) / sum(asked) / (1 - any(availability)) AS burn
FROM {{ d.objective_minutes() }}
WHERE $__timeFilter(minute)
GROUP BY time, service, objective
ORDER BY time, service

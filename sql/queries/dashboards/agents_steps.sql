-- Spans a run: the middle one, the 95th of a hundred, the longest.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(start_ts) AS time, quantile(0.5)(steps) AS p50, quantile(0.95)(steps) AS p95, max(steps) AS most
{{ d.runs() }}
GROUP BY time
ORDER BY time

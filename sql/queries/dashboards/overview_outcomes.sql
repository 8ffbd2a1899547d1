-- Runs a minute by how they ended.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(start_ts) AS time, outcome, count() / ($__interval_s / 60) AS runs
{{ d.runs() }}
GROUP BY time, outcome
ORDER BY time, outcome

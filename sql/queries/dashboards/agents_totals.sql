-- Runs of the whole range in one row.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    count() AS runs,
    countIf(outcome = 'ok') / nullIf(countIf(outcome != 'running'), 0) AS success,
    avg(steps) AS steps_a_run,
    countIf(loops > 0) / count() AS looping,
    quantile(0.95)(duration_ms) AS p95
{{ d.runs() }}
HAVING count() > 0

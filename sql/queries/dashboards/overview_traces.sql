-- Traces a minute that began a span then.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(minute) AS time, uniqMerge(traces) / ($__interval_s / 60) AS traces
{{ d.spans_minute() }}
GROUP BY time
ORDER BY time

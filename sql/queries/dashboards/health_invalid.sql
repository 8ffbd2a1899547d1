-- Spans with an attribute that was unusable and set to NULL or to a bound, as a share of all, by service.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(minute) AS time, service_name AS service, sum(invalid) / sum(spans) AS unusable
{{ d.spans_minute() }}
GROUP BY time, service
ORDER BY time, service

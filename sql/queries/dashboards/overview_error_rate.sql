-- Failed spans' share by service.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(minute) AS time, service_name AS service, sum(errors) / sum(spans) AS error_rate
{{ d.spans_minute() }}
GROUP BY time, service
ORDER BY time, service

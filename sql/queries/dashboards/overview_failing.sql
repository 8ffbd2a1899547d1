-- Operations with failed spans, most failures first.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    service_name AS service,
    operation,
    sum(spans) AS spans_all,
    sum(errors) AS failed,
    failed / spans_all AS error_rate
{{ d.spans_minute() }}
GROUP BY service, operation
HAVING failed > 0
ORDER BY failed DESC
LIMIT 20

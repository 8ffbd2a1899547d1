-- Failed spans' share of a service's spans, by tenant and environment.
{% import 'macros/alerts.sql' as a with context %}
SELECT tenant_id AS tenant, env AS environment, service_name AS service, sum(errors) / sum(spans) AS value
FROM telemetry.spans_minute
WHERE {{ a.lately(rule.window_minutes) }}
GROUP BY tenant, environment, service
HAVING sum(spans) >= {{ rule.least_spans }}
ORDER BY value DESC, tenant, environment, service
LIMIT 100

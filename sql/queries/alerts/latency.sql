-- p95 of a service's requests as a multiple of its objective's latency, by tenant and environment.
{% import 'macros/alerts.sql' as a with context %}
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    s.tenant_id AS tenant,
    s.env AS environment,
    s.service_name AS service,
    o.objective AS objective,
    toString(o.latency_ms) AS target_ms,
    quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(s.latency_ms)[3] / any(o.latency_ms) AS value
FROM telemetry.spans_minute AS s
CROSS JOIN {{ d.objectives() }} AS o
WHERE s.entry AND {{ a.lately(rule.window_minutes) }} AND {{ d.objective_applies('o', 's') }}
GROUP BY tenant, environment, service, objective, target_ms
HAVING sum(s.spans) >= {{ rule.least_requests }}
ORDER BY value DESC, tenant, environment, service
LIMIT 100

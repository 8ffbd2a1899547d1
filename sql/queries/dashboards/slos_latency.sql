-- Latency by objective, service and tenant: share of requests under it, error budget left, burn rates.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    objective,
    service,
    tenant,
    any(latency_ms) AS under_ms,
    any(latency_share) AS target,
    {{ d.reached_and_burnt('slow') }}

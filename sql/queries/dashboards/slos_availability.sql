-- Availability by objective, service and tenant: share of good requests, error budget left, burn rates.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    objective,
    service,
    tenant,
    any(availability) AS target,
    {{ d.reached_and_burnt('failed') }}

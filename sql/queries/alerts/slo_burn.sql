-- How fast the error budget of an objective burns, by tenant and service: the lesser of a long and a short window, so that it
-- fires only for what lasts and resolves when it is over. 1 uses the budget up exactly at the end of the objective's window.
{% import 'macros/dashboards.sql' as d with context %}
SELECT objective, burning.1 AS indicator, tenant, service, burning.2 AS value
FROM
(
    SELECT
        o.objective AS objective,
        s.tenant_id AS tenant,
        s.service_name AS service,
        $__toTime - INTERVAL {{ rule.short_minutes }} MINUTE AS lately,
        sum(s.spans) AS requests,
        sumIf(s.spans, s.minute > lately) AS requests_lately,
        arraySum(mapValues(mapFilter((bound, n) -> bound > o.latency_ms, sumMap(s.latency_histogram)))) AS slow,
        arraySum(mapValues(mapFilter((bound, n) -> bound > o.latency_ms, sumMapIf(s.latency_histogram, s.minute > lately)))) AS slow_lately,
        arrayJoin([
            ('availability', least(sum(s.errors) / requests, sumIf(s.errors, s.minute > lately) / greatest(requests_lately, 1)) / (1 - o.availability)),
            ('latency', least(slow / requests, slow_lately / greatest(requests_lately, 1)) / (1 - o.latency_share))
        ]) AS burning
    FROM telemetry.spans_minute AS s
    CROSS JOIN {{ d.objectives() }} AS o
    WHERE s.entry AND s.minute > $__toTime - INTERVAL {{ rule.long_minutes }} MINUTE AND s.minute <= $__toTime AND s.tenant_id != 'canary'
        AND {{ d.objective_applies('o', 's') }}
    GROUP BY objective, tenant, service, o.availability, o.latency_ms, o.latency_share
    HAVING requests >= {{ rule.least_requests }}
)
ORDER BY value DESC, objective, indicator, tenant, service
LIMIT 100

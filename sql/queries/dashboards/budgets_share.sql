-- The largest share of each budget that anybody had used, over time.
{% import 'macros/dashboards.sql' as d with context %}
SELECT $__timeInterval(at) AS time, toString(budget) AS name, max(used / usage_limit) AS share
FROM telemetry.budget_usage
WHERE $__timeFilter(at) AND tenant_id != ''{{ d.chosen(['tenant'], canary=true) }}
GROUP BY time, name
ORDER BY time

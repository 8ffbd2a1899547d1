-- The share of a tenant's model calls that nobody could price, with the models that most of them went to.
{% import 'macros/alerts.sql' as a with context %}
SELECT tenant, environment, provider, model, unpriced_of_all / calls_of_all AS value
FROM
(
    SELECT
        tenant_id AS tenant,
        env AS environment,
        c.provider AS provider,
        c.model AS model,
        sum(c.unpriced_calls) AS unpriced,
        sum(unpriced) OVER (PARTITION BY tenant, environment) AS unpriced_of_all,
        sum(sum(c.calls)) OVER (PARTITION BY tenant, environment) AS calls_of_all
    FROM telemetry.cost_minute AS c
    WHERE {{ a.lately(rule.window_minutes) }}
    GROUP BY tenant, environment, provider, model
)
WHERE unpriced > 0 AND unpriced >= unpriced_of_all / 10 AND calls_of_all >= {{ rule.least_calls }}
ORDER BY value DESC, tenant, environment, unpriced DESC
LIMIT 100

-- How much each subject of a budget has used, the most first: of all, or of those asked for.
{% import 'macros/budgets.sql' as m with context %}
SELECT u.tenant_id AS tenant_id, u.subject AS subject, toFloat64(sum(u.used)) AS total, sum(u.model_calls), sum(u.unpriced_calls)
FROM
(
    SELECT *, 1 AS recent FROM ({{ m.usage(b, start, end, only, enough=enough, base=base) }})
{% if base %}
    UNION ALL
    SELECT tenant_id, subject, env, workflow_id, used, model_calls, unpriced_calls, 0 AS recent
    FROM telemetry.budget_base
    WHERE budget = {{ b.name | sql_string }} AND computed = {{ base }}
{% endif %}
) AS u
GROUP BY tenant_id, subject
HAVING total >= {{ least }}{{ m.of_whole_runs(b) }}{{ ' AND max(u.recent) = 1' if b.scope == 'run' }}
ORDER BY total DESC, tenant_id, subject
LIMIT {{ limit }}

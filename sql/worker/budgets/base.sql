-- What was used before the last minutes. Of runs: those that are still at it.
{% import 'macros/budgets.sql' as m with context %}
INSERT INTO telemetry.budget_base (budget, computed, tenant_id, subject, env, workflow_id, used, model_calls, unpriced_calls)
SELECT {{ b.name | sql_string }}, {{ computed }}, tenant_id, subject, env, workflow_id, used, model_calls, unpriced_calls
FROM ({{ m.usage(b, start, end, active=active) }})
WHERE used > 0

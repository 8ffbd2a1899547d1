-- The runs behind a tenant's or a workflow's usage: those at it first, then by what they have used.
{% import 'macros/budgets.sql' as m with context %}
SELECT lower(hex(trace_id)) AS subject, toFloat64({{ m.amount(run_budget) }}) AS used
FROM telemetry.runs_parts AS p
WHERE tenant_id = {{ tenant | sql_string }} AND {{ m.minutes(start, end) }}
GROUP BY trace_id
HAVING used > 0{{ m.equal('max(p.env)', b.env) }}{{ m.equal('max(p.workflow_id)', workflow) }}
ORDER BY sum(p.root_spans) = 0 AND max(p.end_ts) > toDateTime64({{ lately }}, 9, 'UTC') DESC, used DESC, subject
LIMIT {{ limit }}

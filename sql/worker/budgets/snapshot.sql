-- Who has used most of each budget now; of a budget that nobody has used a row without a tenant.
INSERT INTO telemetry.budget_usage
    (at, budget, measure, scope, window, tenant_id, subject, used, usage_limit, model_calls, unpriced_calls)
VALUES
{% for b, u in rows %}
    (fromUnixTimestamp64Milli({{ now_ms }}), {{ b.name | sql_string }}, {{ b.measure | sql_string }}, {{ b.scope | sql_string }}, {{ b.window | sql_string }}, {{ u.subject.tenant_id | sql_string }}, {{ u.subject.name | sql_string }}, {{ u.used }}, {{ b.limit }}, {{ u.model_calls }}, {{ u.unpriced_calls }}){{ ',' if not loop.last }}
{% endfor %}

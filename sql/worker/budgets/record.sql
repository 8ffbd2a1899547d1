-- What happened.
INSERT INTO telemetry.budget_events
    (at, event_id, episode, type, level, budget, measure, scope, tenant_id, subject, used, usage_limit, model_calls, unpriced_calls, notify, give_up_at, body_json)
VALUES
{% for e in events %}
    (fromUnixTimestamp64Milli({{ e.at_ms }}), {{ e.event_id | sql_string }}, {{ e.episode | sql_string }}, {{ e.kind | sql_string }}, {{ e.level }}, {{ e.budget | sql_string }}, {{ e.measure | sql_string }}, {{ e.scope | sql_string }}, {{ e.tenant_id | sql_string }}, {{ e.subject | sql_string }}, {{ e.used }}, {{ e.limit }}, {{ e.model_calls }}, {{ e.unpriced_calls }}, {{ e.notify | lower }}, fromUnixTimestamp64Milli({{ e.give_up_ms }}), {{ e.body | sql_string }}){{ ',' if not loop.last }}
{% endfor %}

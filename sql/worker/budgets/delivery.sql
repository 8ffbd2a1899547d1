-- How one try went.
INSERT INTO telemetry.budget_deliveries (event_id, outcome, status, seconds, error)
SELECT {{ event_id | sql_string }}, {{ outcome | sql_string }}, {{ answer.status }}, {{ answer.seconds }}, {{ answer.error | sql_string }}

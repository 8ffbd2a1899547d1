-- A sign of life.
INSERT INTO telemetry.worker_leases (lease, holder, taken_ms)
SELECT {{ lease | sql_string }}, {{ holder | sql_string }}, {{ taken_ms }}

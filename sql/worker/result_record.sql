-- What a step found.
INSERT INTO telemetry.worker_results (step, ok, value, detail_json)
SELECT {{ step | sql_string }}, {{ ok | lower }}, {{ value }}, {{ detail | sql_string }}

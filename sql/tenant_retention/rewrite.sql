{# The same text whenever it is the same work: a run that finds it among the unfinished mutations follows that one. #}
ALTER TABLE telemetry.{{ table }} UPDATE retention_days = {{ days }} WHERE tenant_id = {{ tenant | sql_string }} AND retention_days != {{ days }}

-- One step of a backfill's progress.
INSERT INTO telemetry.backfills
(
    backfill_id, from_ts, to_ts, open_ended, tenant_id, state,
    cursor_minute, cursor_tenant, minutes, spans, refused, postponed
)
SELECT
    {{ id | sql_string }},
    toDateTime({{ start }}, 'UTC'),
    toDateTime({{ end }}, 'UTC'),
    {{ open_ended | lower }},
    {{ tenant | sql_string }},
    {{ state | sql_string }},
    toDateTime({{ cursor_minute }}, 'UTC'),
    {{ cursor_tenant | sql_string }},
    {{ minutes }},
    {{ spans }},
    {{ refused }},
    CAST([{{ postponed }}] AS Array(Tuple(String, DateTime('UTC'))))

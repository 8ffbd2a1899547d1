{# Log records of some tenants' minutes: as they came (log_keys, never deduplicated) and as events_raw has them. The last
   two columns tell whether something arrived since. #}
{% import 'macros/log_key.sql' as identity with context %}
SELECT tenant_id, at, expected, found, rows, last
FROM
(
    SELECT
        tenant_id,
        toUnixTimestamp(minute) AS at,
        uniqExact(log_key) AS expected,
        count() AS rows,
        toUnixTimestamp64Milli(max(ingest_ts)) AS last
    FROM telemetry.log_keys
    WHERE minute BETWEEN toDateTime({{ first }}, 'UTC') AND toDateTime({{ end }}, 'UTC') AND tenant_id IN ({{ tenants }})
        AND (tenant_id, toUnixTimestamp(minute)) IN ({{ keys }})
    GROUP BY tenant_id, at
) AS came
LEFT JOIN
(
    SELECT
        tenant_id,
        toUnixTimestamp(toStartOfMinute(toDateTime(event_ts, 'UTC'))) AS at,
        uniqExact({{ identity.log_key() }}) AS found
    FROM telemetry.events_raw
    WHERE source = 'log' AND tenant_id IN ({{ tenants }})
        AND event_ts >= toDateTime64({{ first }}, 9, 'UTC') AND event_ts < toDateTime64({{ end }}, 9, 'UTC')
        AND (tenant_id, at) IN ({{ keys }})
    GROUP BY tenant_id, at
) AS stored USING (tenant_id, at)

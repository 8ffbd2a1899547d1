-- Marks rows as deleted (a mask; merges drop them): only exact generations that a query just named.
DELETE FROM telemetry.{{ table }}
WHERE minute >= toDateTime({{ first }}) AND minute < toDateTime({{ end }})
    AND (tenant_id, toUnixTimestamp(minute), generation) IN ({{ rows }})

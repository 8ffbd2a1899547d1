-- Keys of the messages that arrived again in [since, until), by the ledger: their spans may be in the rollups twice
-- although no span key is repeated, when the first arrival failed between two views.
WITH again AS
(
{% include 'worker/messages_again.sql' %}
)
SELECT tenant_id, toUnixTimestamp(minute)
FROM telemetry.span_keys
WHERE ingest_ts >= fromUnixTimestamp64Milli({{ since }}) - INTERVAL 1 MINUTE
    AND (topic, partition, offset) IN (SELECT topic, partition, offset FROM again)
GROUP BY tenant_id, minute

-- How many of the demo's spans ClickHouse holds that came in since the demo began.
SELECT count() AS spans
FROM telemetry.spans_raw
WHERE ingest_ts >= {began:DateTime64(3, 'UTC')}
    AND start_ts >= {from:DateTime('UTC')} - INTERVAL 1 DAY
    AND start_ts < {to:DateTime('UTC')}
    AND scope_name = 'examples.agents'

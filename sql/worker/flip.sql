-- The one insert that shows readers the new generation of every named key.
INSERT INTO telemetry.rollup_generations (tenant_id, minute, generation, computed_at)
SELECT key.1, toDateTime(key.2, 'UTC'), {{ generation }}, fromUnixTimestamp64Milli({{ computed_at }})
FROM (SELECT arrayJoin([{{ keys }}]) AS key)

-- The runners that have announced themselves, and the server's clock.
SELECT
    name,
    comment,
    toUnixTimestamp64Milli(now64(3)) AS now_ms
FROM system.tables
WHERE database = {{ database | sql_string }} AND startsWith(name, {{ prefix | sql_string }})
ORDER BY name

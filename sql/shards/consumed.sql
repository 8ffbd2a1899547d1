-- Whether the shard has ever read a message, and a time that lies after every one that it has read (Unix ms). A clock that
-- is more than an hour ahead is not waited for.
SELECT
    count() > 0,
    toUnixTimestamp64Milli(greatest(now64(3), toDateTime64(maxIf(message_ts, message_ts < now64(3) + INTERVAL 1 HOUR), 3))) + 1000
FROM {{ database }}.ingest_ledger

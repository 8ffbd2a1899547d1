-- The server's clock, by which ingest times are stamped too.
SELECT toUnixTimestamp64Milli(now64(3))

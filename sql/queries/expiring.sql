-- What a table loses when its rows expire so many days sooner: whole parts only, by the times of expiry that they were
-- written with, so a part that expires in part is not counted.
SELECT sum(rows) AS expiring_rows, sum(bytes_on_disk) AS expiring_bytes
FROM system.parts
WHERE active AND database = 'telemetry' AND table = {table:String}
    AND delete_ttl_info_max > toDateTime(0) AND delete_ttl_info_max - toIntervalDay({days:UInt32}) <= now()

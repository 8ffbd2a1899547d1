-- Days until a disk is full, at the pace at which parts came to it in the last week (or since the first one, if that is less).
-- An object store has no end.
SELECT d.name AS disk, d.free_space / p.a_day AS value
FROM system.disks AS d
INNER JOIN
(
    SELECT
        disk_name,
        least(greatest(dateDiff('hour', min(modification_time), now()) / 24, 1), 7) AS days,
        sumIf(bytes_on_disk, modification_time > now() - INTERVAL 7 DAY) / days AS a_day
    FROM system.parts
    WHERE active AND database = 'telemetry'
    GROUP BY disk_name
) AS p ON p.disk_name = d.name
WHERE p.a_day > 0 AND d.type = 'Local'
ORDER BY value, disk

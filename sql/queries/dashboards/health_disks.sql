-- Each disk: what is free, what came in a day, and the days until it is full at that pace.
SELECT
    d.name AS disk,
    d.total_space AS total,
    d.free_space AS free,
    if(d.total_space = 0, 0, 1 - d.free_space / d.total_space) AS used,
    p.ours AS telemetry,
    p.lately / 7 AS a_day,
    if(p.lately = 0, NULL, d.free_space / (p.lately / 7)) AS days_left
FROM system.disks AS d
LEFT JOIN
(
    SELECT disk_name, sum(bytes_on_disk) AS ours, sumIf(bytes_on_disk, modification_time > now() - INTERVAL 7 DAY) AS lately
    FROM system.parts
    WHERE active AND database = 'telemetry'
    GROUP BY disk_name
) AS p ON p.disk_name = d.name
ORDER BY used DESC

-- Parts that hold a row to rewrite, by disk: each is written anew, all tenants' rows in it, beside the old one.
SELECT disk_name, count() AS parts, sum(bytes_on_disk) AS bytes, max(bytes_on_disk) AS largest, any(disks.unreserved_space) AS free
FROM system.parts
LEFT JOIN (SELECT name, unreserved_space FROM system.disks) AS disks ON disks.name = disk_name
WHERE active AND database = 'telemetry' AND table = {{ table | sql_string }}
    AND name IN (SELECT DISTINCT _part FROM telemetry.{{ table }} WHERE tenant_id = {{ tenant | sql_string }} AND retention_days != {{ days }})
GROUP BY disk_name
ORDER BY disk_name

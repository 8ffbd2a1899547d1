-- The used share of each disk. An object store has no end.
SELECT name AS disk, 1 - free_space / total_space AS value
FROM system.disks
WHERE total_space > 0 AND type = 'Local'
ORDER BY value DESC, disk

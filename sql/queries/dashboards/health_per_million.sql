-- What a million spans take on disk, raw and in all tables.
SELECT
    sumIf(bytes_on_disk, table = 'spans_raw') / sumIf(rows, table = 'spans_raw') * 1e6 AS raw,
    sum(bytes_on_disk) / sumIf(rows, table = 'spans_raw') * 1e6 AS everything
FROM system.parts
WHERE active AND database = 'telemetry'
HAVING sumIf(rows, table = 'spans_raw') > 0

-- Offsets of one partition that the ledger has in [start, stop), how many arrived more than once, and the first 1000 holes.
WITH arrived AS
(
    SELECT offset, count() AS times
    FROM telemetry.ingest_ledger
    WHERE topic = {{ topic | sql_string }} AND partition = {{ partition }} AND offset >= {{ start }} AND offset < {{ stop }}
    GROUP BY offset
)
SELECT countIf(times > 0), countIf(times > 1), groupArrayIf(1000)((before + 1, offset - 1), offset > before + 1)
FROM
(
    SELECT offset, times, lagInFrame(toInt64(offset), 1, toInt64({{ start }}) - 1) OVER (ORDER BY offset) AS before
    FROM (SELECT * FROM arrived UNION ALL SELECT {{ stop }} AS offset, 0 AS times)
)

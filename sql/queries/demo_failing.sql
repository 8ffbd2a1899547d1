-- What fails: spans with an error by service, agent and operation, most failures first.
SELECT
    service_name AS service,
    agent_name AS agent,
    operation,
    sum(spans) AS all_spans,
    sum(errors) AS failed,
    failed / all_spans AS failing
FROM telemetry.spans_minute
WHERE minute >= {from:DateTime('UTC')} AND minute < {to:DateTime('UTC')}
GROUP BY service, agent, operation
HAVING failed > 0
ORDER BY failed DESC
LIMIT 8

-- Where time goes: each tool's latency and failures.
SELECT
    tool_name AS tool,
    sum(calls) AS tool_calls,
    sum(errors) AS failed,
    failed / tool_calls AS failing,
    arrayMap(q -> q / 1000, quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(latency_ms)) AS seconds,
    seconds[1] AS p50,
    seconds[3] AS p95
FROM telemetry.tools_minute
WHERE minute >= {from:DateTime('UTC')} AND minute < {to:DateTime('UTC')}
GROUP BY tool
ORDER BY p95 DESC

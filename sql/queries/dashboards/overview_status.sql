-- What needs a look, worst first: the chosen agents, and the pipeline that their figures come through. `dashboard`: the one that
-- tells more, by the end of its uid.
{% import 'macros/dashboards.sql' as d with context %}
{% import 'macros/samples.sql' as s with context %}
{% macro check(what, value, look, act, reading, where, given) -%}
SELECT multiIf(measured IS NULL, 'not known', measured >= {{ act }}, 'act', measured >= {{ look }}, 'look', 'fine') AS state, '{{ what }}' AS what, ifNull({{ reading }}, 'too few to tell') AS reading, '{{ where }}' AS dashboard
    FROM (SELECT CAST({{ value }}, 'Nullable(Float64)') AS measured {{ given }})
{%- endmacro %}
SELECT state, what, reading, dashboard
FROM
(
    {{ check('errors', 'sum(errors) / sum(spans)', 0.01, 0.02, "concat(toString(round(100 * measured, 2)), ' % of spans failed')", 'traces', d.spans_minute() ~ ' HAVING sum(spans) > 0') }}
    UNION ALL
    {{ check('objectives', 'max(burn)', 6, 14.4, "concat('the fastest burn of the last hour is ', toString(round(measured, 1)))", 'slos',
        'FROM (SELECT ' ~ d.burn('failed', '1 HOUR', 'any(availability)') ~ ' AS burn FROM ' ~ d.objective_minutes() ~ ' WHERE minute > $__toTime - INTERVAL 1 HOUR GROUP BY objective, service, tenant) HAVING count() > 0') }}
    UNION ALL
    {{ check('budgets', 'countIf(resolved IS NULL) + 0.5 * (countIf(resolved IS NOT NULL) > 0)', 0.5, 1, "multiIf(measured >= 1, concat(toString(floor(measured)), ' above the limit now'), measured > 0, 'some were above their limit, none is now', 'none is above its limit')", 'cost', 'FROM telemetry.budget_crossings WHERE ' ~ d.crossed() ~ d.chosen(['tenant'])) }}
    UNION ALL
    {{ check('cost that is not known', 'sum(unpriced_calls) / sum(calls)', 0.01, 0.05, "concat(toString(round(100 * measured, 2)), ' % of model calls have no price')", 'cost', d.cost_minute() ~ ' HAVING sum(calls) > 0') }}
    UNION ALL
    {{ check('runs that loop', 'countIf(loops > 0) / count()', 0.1, 0.25, "concat(toString(round(100 * measured, 2)), ' % of runs repeat a tool call')", 'agents', d.runs() ~ ' HAVING count() > 0') }}
    UNION ALL
    {{ check('arrivals', "dateDiff('second', max(ingest_ts), now64(3))", 60, 300, "concat('the last one ', toString(measured), ' s ago')", 'health', 'FROM telemetry.ingest_ledger WHERE ingest_ts > now() - INTERVAL 1 DAY HAVING count() > 0') }}
    UNION ALL
    {{ check('canary', 'if(argMax(ok, at), argMax(value, at), 1e9)', 10, 60, "if(measured = 1e9, 'the newest trace did not come through', concat('the newest trace took ', toString(measured), ' s'))", 'health', "FROM telemetry.worker_results WHERE step = 'canary' AND at > now() - INTERVAL 1 DAY HAVING count() > 0") }}
    UNION ALL
    {{ check('audit', 'argMax(value, at)', 1, 1, "if(measured = 0, 'Kafka, rows and rollups agree', concat(toString(measured), ' differences'))", 'health', "FROM telemetry.worker_results WHERE step = 'audit' AND ok + (value > 0) AND at > now() - INTERVAL 1 DAY HAVING count() > 0") }}
    UNION ALL
    {{ check('waiting in Kafka', 'sum(next - least(next, greatest(ifNull(committed, 0), oldest)))', 100, 10000, "concat(toString(measured), ' messages not read')", 'health', 'FROM telemetry.kafka_samples WHERE at = (SELECT max(at) FROM telemetry.kafka_samples) HAVING count() > 0') }}
    UNION ALL
    {{ check('refused', 'sum(refused)', 1, 1000, "concat(toString(measured), ' records answered with an error')", 'health', 'FROM (' ~ s.increases(['refused']) ~ ') HAVING count() > 0') }}
    UNION ALL
    {{ check('dead letters', 'uniqExact(topic, partition, offset)', 1, 100, "concat(toString(measured), ' messages could not be parsed')", 'health', 'FROM telemetry.dead_letters WHERE $__timeFilter(ingest_ts)') }}
)
WHERE (SELECT count() FROM telemetry.ingest_ledger WHERE ingest_ts > now() - INTERVAL 1 DAY) > 0
ORDER BY indexOf(['act', 'look', 'not known', 'fine'], state), what

-- The loss ledger: what each hop had between the range's first and last sample. Messages are compared exactly, by offset;
-- records (spans, log records) by counters, between which up to a second of traffic lies.
{% import 'macros/samples.sql' as s with context %}
{% macro hop(name, unit, spans, logs, reading, missing='NULL') -%}
tuple('{{ name }}', '{{ unit }}', CAST({{ spans }}, 'Nullable(Int64)'), CAST({{ logs }}, 'Nullable(Int64)'), CAST({{ missing }}, 'Nullable(Int64)'), {{ reading }})
{%- endmacro %}
WITH
    {# uniqExact over more would take the memory of everybody who looks. #}
    5000000 AS most_told_apart,
    offsets AS
    (
        {{ s.offsets() }}
    ),
    kafka AS
    (
        SELECT sumIf(last - first, topic = 'otel-spans') AS spans, sumIf(last - first, topic = 'otel-events') AS logs, sum(done - first) AS due, count() AS n
        FROM offsets
    ),
    messages AS
    (
        SELECT l.topic AS topic, l.partition, l.offset, any(l.offset < o.done) AS was_due, count() AS arrivals, any(l.spans) AS records, max(l.is_dead_letter) AS dead
        FROM telemetry.ingest_ledger AS l
        INNER JOIN offsets AS o ON o.topic = l.topic AND o.partition = l.partition
        WHERE l.ingest_ts >= $__fromTime - INTERVAL 1 MINUTE AND l.offset >= o.first AND l.offset < o.last
        GROUP BY l.topic, l.partition, l.offset
    ),
    stored AS
    (
        SELECT
            countIf(topic = 'otel-spans') AS spans, countIf(topic = 'otel-events') AS logs,
            countIf(was_due) AS due,
            sumIf(arrivals - 1, topic = 'otel-spans') AS spans_again, sumIf(arrivals - 1, topic = 'otel-events') AS logs_again,
            countIf(dead AND topic = 'otel-spans') AS spans_dead, countIf(dead AND topic = 'otel-events') AS logs_dead,
            sumIf(records, topic = 'otel-spans') AS span_records, sumIf(records, topic = 'otel-events') AS log_records
        FROM messages
    ),
    counted AS
    (
        SELECT
            sumIf(accepted, signal = 'traces') AS spans_accepted, sumIf(accepted, signal = 'logs') AS logs_accepted,
            sumIf(refused, signal = 'traces') AS spans_refused, sumIf(refused, signal = 'logs') AS logs_refused,
            sumIf(sent, signal = 'traces') AS spans_sent, sumIf(sent, signal = 'logs') AS logs_sent
        FROM ({{ s.increases(['accepted', 'refused', 'sent']) }})
    ),
    apart AS
    (
        {% for keys, key, topic in [('span_keys', 'span_key', 'otel-spans'), ('log_keys', 'log_key', 'otel-events')] %}
        {{ 'UNION ALL' if not loop.first }}
        SELECT '{{ topic }}' AS topic, if((SELECT span_records + log_records FROM stored) > most_told_apart, NULL, uniqExact(k.tenant_id, k.{{ key }})) AS records
        FROM telemetry.{{ keys }} AS k
        INNER JOIN offsets AS o ON o.topic = k.topic AND o.partition = k.partition
        WHERE k.ingest_ts >= $__fromTime - INTERVAL 1 MINUTE AND k.offset >= o.first AND k.offset < o.last
            AND (SELECT span_records + log_records FROM stored) <= most_told_apart
        {% endfor %}
    )
SELECT hop, counted_in, spans, logs, missing, reading
FROM
(
    SELECT arrayJoin([
        {{ hop('1 refused by the collectors', 'records', 'c.spans_refused', 'c.logs_refused', "'answered with an error: the sender still has them'") }},
        {{ hop('2 accepted by the collectors', 'records', 'c.spans_accepted', 'c.logs_accepted', "'answered with success'") }},
        {{ hop('3 acknowledged by Kafka', 'records', 'c.spans_sent', 'c.logs_sent', "concat('less 2: ', toString(c.spans_sent + c.logs_sent - c.spans_accepted - c.logs_accepted))") }},
        {{ hop('4 given an offset by Kafka', 'messages', 'k.spans', 'k.logs', "'a message holds many records'") }},
        {{ hop('5 read by ClickHouse', 'messages', 't.spans', 't.logs', "'missing: committed as read, and not in the ledger'", 'toInt64(k.due) - toInt64(t.due)') }},
        {{ hop('6 waiting to be read', 'messages', 'k.spans - t.spans', 'k.logs - t.logs', "'4 less 5'") }},
        {{ hop('7 dead letters', 'messages', 't.spans_dead', 't.logs_dead', "'kept with their bytes: see below'") }},
        {{ hop('8 came again', 'messages', 't.spans_again', 't.logs_again', "'read twice, counted once'") }},
        {{ hop('9 stored', 'records', 't.span_records', 't.log_records', "concat('less 3: ', toString(toInt64(t.span_records + t.log_records) - (c.spans_sent + c.logs_sent)), '; those of 6 and 7 are not in it')") }},
        {{ hop('10 stored, each once', 'records', "(SELECT any(records) FROM apart WHERE topic = 'otel-spans')", "(SELECT any(records) FROM apart WHERE topic = 'otel-events')", "'less than 9: sent again by an SDK and counted once; empty: too many to tell apart here'") }}
    ]) AS row, row.1 AS hop, row.2 AS counted_in, row.3 AS spans, row.4 AS logs, row.5 AS missing, row.6 AS reading
    FROM kafka AS k
    CROSS JOIN stored AS t
    CROSS JOIN counted AS c
    WHERE k.n > 0
)

-- The loss ledger: what each hop had between the range's first and last sample. Messages are compared exactly, by offset;
-- records (spans, log records) by counters, which are read a moment apart: what came about then is no difference.
{% import 'macros/samples.sql' as s with context %}
{# uniqExact over more would take the memory of everybody who looks. #}
{% set most_told_apart = 5000000 %}
{# How long before a sample a message may have been made that its counters do not have yet: a collector counts after Kafka's answer. #}
{% set late = 'INTERVAL 5 SECOND' %}
{% set signals = [('spans', 'traces', 'otel-spans', 'span_keys', 'span_key'), ('logs', 'logs', 'otel-events', 'log_keys', 'log_key')] %}
{% macro hop(name, unit, spans, logs, reading, missing='NULL') -%}
tuple('{{ name }}', '{{ unit }}', CAST({{ spans }}, 'Nullable(Int64)'), CAST({{ logs }}, 'Nullable(Int64)'), CAST({{ missing }}, 'Nullable(Int64)'), {{ reading }})
{%- endmacro %}
{# `more` records than the hop before it, told as a difference only where the samples' times do not explain it. #}
{% macro beside(more, hop, unless="''") -%}
multiIf({{ more }} BETWEEN -about_first AND about_last, 'as many as {{ hop }}', concat(toString(abs({{ more }})), if({{ more }} > 0, ' more than {{ hop }}', concat(' fewer than {{ hop }}', {{ unless }}))))
{%- endmacro %}
WITH
    {# Each of these is asked once, however often it is used. #}
    (SELECT groupArray((topic, partition, first, last, done)) FROM ({{ s.offsets() }})) AS places,
    (SELECT (min(at), max(at)) FROM telemetry.collector_samples WHERE $__timeFilter(at)) AS sampled,
    {# When processes were seen for the last time: what they counted afterwards is not known. #}
    (SELECT groupArray(seen) FROM (SELECT max(at) AS seen FROM telemetry.collector_samples WHERE $__timeFilter(at) GROUP BY instance) WHERE seen < sampled.2) AS ended,
    offsets AS
    (
        SELECT place.1 AS topic, place.2 AS partition, place.3 AS first, place.4 AS last, place.5 AS done
        FROM (SELECT arrayJoin(places) AS place)
    ),
    messages AS
    (
        SELECT
            l.topic AS topic, l.partition, l.offset, any(l.offset >= o.first) AS is_in, any(l.offset < o.done) AS was_due,
            count() AS arrivals, any(l.spans) AS records, max(l.is_dead_letter) AS dead,
            min(l.ingest_ts) AS came, max(l.ingest_ts) AS came_last, any(l.message_ts) AS made
        FROM telemetry.ingest_ledger AS l
        INNER JOIN offsets AS o ON o.topic = l.topic AND o.partition = l.partition
        WHERE l.ingest_ts >= $__fromTime - INTERVAL 1 MINUTE AND l.offset < o.last AND (l.offset >= o.first OR l.message_ts >= sampled.1 - {{ late }})
        GROUP BY l.topic, l.partition, l.offset
    ),
    {# As one tuple: named in several places below. #}
    (
        SELECT
            (
                {% for name, _, topic, _, _ in signals %}
                sumIf(records, is_in AND topic = '{{ topic }}'), minIf(came, is_in AND topic = '{{ topic }}'), maxIf(came_last, is_in AND topic = '{{ topic }}'),
                countIf(is_in AND topic = '{{ topic }}'), sumIf(arrivals - 1, is_in AND topic = '{{ topic }}'), countIf(is_in AND dead AND topic = '{{ topic }}'),
                {% endfor %}
                countIf(is_in AND was_due),
                sumIf(records, NOT is_in),
                sumIf(records, is_in AND (made >= sampled.2 - {{ late }} OR arrayExists(seen -> made >= seen - {{ late }} AND made < seen + INTERVAL 1 MINUTE, ended)))
            )
        FROM messages
    ) AS stored,
    counted AS
    (
        SELECT
            {% for name, signal, _, _, _ in signals %}
            sumIf(accepted, signal = '{{ signal }}') AS {{ name }}_accepted, sumIf(refused, signal = '{{ signal }}') AS {{ name }}_refused, sumIf(sent, signal = '{{ signal }}') AS {{ name }}_sent{{ ',' if not loop.last }}
            {% endfor %}
        FROM ({{ s.increases(['accepted', 'refused', 'sent']) }})
    ),
    {% for name, _, topic, keys, key in signals %}
    {% set at = 6 * loop.index0 %}
    (
        SELECT uniqExact(bitXor(cityHash64(k.tenant_id), k.{{ key }}))
        FROM telemetry.{{ keys }} AS k
        INNER JOIN (SELECT partition, first, last FROM offsets WHERE topic = '{{ topic }}') AS o ON o.partition = k.partition
        WHERE (stored AS came).1 + came.7 <= {{ most_told_apart }}
            {# Each view stamps its own time. #}
            AND k.ingest_ts >= came.{{ at + 2 }} - INTERVAL 1 MINUTE AND k.ingest_ts <= came.{{ at + 3 }} + INTERVAL 1 MINUTE
            AND k.topic = '{{ topic }}' AND k.offset >= o.first AND k.offset < o.last
    ) AS {{ name }}_told_apart{{ ',' if not loop.last }}
    {% endfor %}
{# Apart from the list itself: a name stands for its whole expression as often as it is written. #}
SELECT row.1 AS hop, row.2 AS counted_in, row.3 AS spans, row.4 AS logs, row.5 AS missing, row.6 AS reading
FROM
(
    SELECT arrayJoin([
        {{ hop('1 refused by the collectors', 'records', 'spans_refused', 'logs_refused', "'answered with an error: the sender still has them'") }},
        {{ hop('2 accepted by the collectors', 'records', 'spans_accepted', 'logs_accepted', "'answered with success'") }},
        {{ hop('3 acknowledged by Kafka', 'records', 'spans_sent', 'logs_sent', beside('spans_sent + logs_sent - spans_accepted - logs_accepted', '2')) }},
        {{ hop('4 given an offset by Kafka', 'messages', 'spans_given', 'logs_given', "'a message holds many records'") }},
        {{ hop('5 read by ClickHouse', 'messages', 'spans_read', 'logs_read', "'missing: committed as read, and not in the ledger'", 'due - due_read') }},
        {{ hop('6 waiting to be read', 'messages', 'spans_given - spans_read', 'logs_given - logs_read', "'4 less 5'") }},
        {{ hop('7 dead letters', 'messages', 'spans_dead', 'logs_dead', "'kept with their bytes: see below'") }},
        {{ hop('8 came again', 'messages', 'spans_again', 'logs_again', "'read twice, counted once'") }},
        {{ hop('9 stored', 'records', 'spans_stored', 'logs_stored', beside('spans_stored + logs_stored - spans_sent - logs_sent', '3', "if(spans_given - spans_read + logs_given - logs_read + spans_dead + logs_dead > 0, ': those of 6 and 7 are not in it', '')")) }},
        {{ hop('10 stored, each once', 'records', 'spans_once', 'logs_once', "multiIf(spans_once IS NULL, 'empty: too many to tell apart here', spans_once + logs_once < spans_stored + logs_stored, 'less than 9: sent again by an SDK and counted once', 'as many as 9')") }}
    ]) AS row
    FROM
    (
        SELECT
            *,
            {% for name, _, topic, _, _ in signals %}
            {% set at = 6 * loop.index0 %}
            arraySum(place -> if(place.1 = '{{ topic }}', place.4 - place.3, 0), places) AS {{ name }}_given,
            toInt64(told.{{ at + 1 }}) AS {{ name }}_stored,
            toInt64(told.{{ at + 4 }}) AS {{ name }}_read,
            toInt64(told.{{ at + 5 }}) AS {{ name }}_again,
            toInt64(told.{{ at + 6 }}) AS {{ name }}_dead,
            if(told.1 + told.7 > {{ most_told_apart }}, NULL, toInt64({{ name }}_told_apart)) AS {{ name }}_once,
            {% endfor %}
            arraySum(place -> place.5 - place.3, places) AS due,
            toInt64(told.13) AS due_read,
            toInt64(told.14) AS about_first,
            toInt64(told.15) AS about_last
        FROM counted
        CROSS JOIN (SELECT stored AS told) AS s
    )
    WHERE notEmpty(places)
)

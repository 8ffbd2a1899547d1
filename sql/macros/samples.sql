{# What the worker sampled (migration 0011), for dashboards. A process's counters begin at 0 when it starts and only rise: the
   first sample of one that started after the range's first sample counts whole, that of an older one not at all. What a process
   counted after its last sample is not known. #}
{% macro increases(counters) -%}
WITH (SELECT min(at) FROM telemetry.collector_samples WHERE $__timeFilter(at)) AS first_sample
    SELECT
        at, task, instance, signal, started_at, memory_bytes,
        queue_bytes / nullIf(queue_capacity_bytes, 0) AS queue_share,
        {% for counter in counters %}
        toInt64({{ counter }}) - toInt64(if(row_number() OVER process = 1, if(started_at >= first_sample, 0, {{ counter }}), lagInFrame({{ counter }}) OVER process)) AS {{ counter }}{{ ',' if not loop.last }}
        {% endfor %}
    FROM telemetry.collector_samples
    WHERE $__timeFilter(at)
    WINDOW process AS (PARTITION BY instance, signal ORDER BY at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
{%- endmacro %}
{# By topic and partition, what Kafka gave out between the range's first and last sample: offsets from `first` to before
   `last`; those before `done` had been read by then. #}
{% macro offsets() -%}
SELECT
        topic,
        partition,
        argMin(next, at) AS first,
        argMax(next, at) AS last,
        least(last, greatest(argMax(ifNull(committed, 0), at), first)) AS done
    FROM telemetry.kafka_samples
    WHERE $__timeFilter(at)
    GROUP BY topic, partition
{%- endmacro %}

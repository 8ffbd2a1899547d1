{% import 'macros/otlp.sql' as otlp with context %}
{# The Kafka table of a topic. With kafka.engine = 'null' a Null table whose columns stand for Kafka's virtual ones: an
   engine without Kafka support runs everything behind it, and tests insert messages as rows. #}
{% macro table(name, topic, message, columns, decode) %}
CREATE TABLE IF NOT EXISTS {{ database }}.{{ name }}
(
{{ columns }}
{%- if kafka.engine == 'null' %},
    _topic LowCardinality(String) DEFAULT '{{ kafka.prefix ~ topic }}',
    _partition UInt64,
    _offset UInt64,
    _timestamp_ms Nullable(DateTime64(3)),
    _raw_message String,
    _error String
)
ENGINE = Null
{%- else %}

)
ENGINE = Kafka
SETTINGS
    kafka_broker_list = {{ kafka.bootstrap_servers | sql_string }},
{% if kafka.security_protocol != 'PLAINTEXT' %}
    kafka_security_protocol = '{{ kafka.security_protocol | lower }}',
{% endif %}
{% if kafka.iam_region %}
    -- Known from 26.8 on; with SCRAM the server's own <kafka> block signs in.
    kafka_sasl_mechanism = 'AWS_MSK_IAM',
    kafka_aws_region = '{{ kafka.iam_region }}',
{% endif %}
    kafka_topic_list = '{{ kafka.prefix ~ topic }}',
    kafka_group_name = '{{ kafka.prefix }}clickhouse-{{ topic }}{{ '-' ~ shards.number if shards.number > 1 }}',
{{ decode.format_settings(message) }},
    -- What can't be parsed is a row with _error, which a view moves to dead_letters.
    kafka_handle_error_mode = 'stream',
    kafka_num_consumers = {{ kafka.consumers if topic == 'otel-spans' else 1 }},
    -- One thread gathers what all consumers read: fewer, larger blocks for the views.
    kafka_thread_per_consumer = 0,
    -- Sizes count messages, not spans: some hundred spans a message make blocks of about a million spans at most.
    kafka_max_block_size = 1000,
    kafka_poll_max_batch_size = 1000,
    kafka_poll_timeout_ms = {{ [kafka.flush_ms, 500] | min }},
    kafka_flush_interval_ms = {{ kafka.flush_ms }},
    -- Offsets are committed once the whole block is stored.
    kafka_commit_every_batch = 0
{%- endif %}
{% endmacro %}

{# A ledger row a message, and a dead letter for each that could not be parsed. #}
{% macro records(name, count) %}
CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.{{ name }}_ledger_mv TO {{ database }}.ingest_ledger AS
SELECT
    {{ otlp.topic() }} AS topic, _partition AS partition, _offset AS offset, {{ otlp.message_ts() }} AS message_ts, now64(3) AS ingest_ts,
    {{ count }} AS spans,
    _error != '' AS is_dead_letter
FROM {{ database }}.{{ name }};

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.{{ name }}_dead_letters_mv TO {{ database }}.dead_letters AS
SELECT
    {{ otlp.topic() }} AS topic, _partition AS partition, _offset AS offset, {{ otlp.message_ts() }} AS message_ts, now64(3) AS ingest_ts,
    _error AS error,
    _raw_message AS raw
FROM {{ database }}.{{ name }}
WHERE _error != '';
{% endmacro %}

{# The Null tables between the steps; their columns are what the step before selects. #}
{% macro step_tables(prefix, first, steps) %}
{% for name, step in steps %}
CREATE TABLE IF NOT EXISTS {{ database }}.{{ prefix }}_{{ name }} ENGINE = Null EMPTY AS
{{ step(database ~ '.' ~ (first if loop.first else prefix ~ '_' ~ steps[loop.index0 - 1][0])) }};

{% endfor %}
{% endmacro %}

{# Last step first: the consumer starts with the view on the Kafka table, when all behind it is in place. #}
{% macro step_views(prefix, first, steps) %}
{% for index in range(steps | length - 1, -1, -1) %}
CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.{{ prefix }}_{{ steps[index][0] }}_mv TO {{ database }}.{{ prefix }}_{{ steps[index][0] }} AS
{{ steps[index][1](database ~ '.' ~ (first if index == 0 else prefix ~ '_' ~ steps[index - 1][0])) }};

{% endfor %}
{% endmacro %}

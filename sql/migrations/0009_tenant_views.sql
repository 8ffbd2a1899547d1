-- What a tenant's own reader (tenantReaders, configs/clickhouse/users.xml) asks: the same views, in a database of its own.
-- kind: metadata

-- Nothing here is LowCardinality. The row filters of users.xml take other tenants' rows out as they are read, but such a
-- column keeps the dictionary of its whole part, and functions are run over that: throwIf(operation = 'x') would tell
-- whether any tenant has an x, and a failed cast would print it. A cast to String copies the values of the rows that are
-- left. Where a row lies in Kafka is left out: gaps tell what others sent.
{% macro plain(columns) -%}
REPLACE ({% for column in columns %}CAST({{ column }}, 'String') AS {{ column }}{{ ', ' if not loop.last }}{% endfor %}
{%- endmacro %}

CREATE DATABASE IF NOT EXISTS {{ database }}_tenant{{ " ENGINE = Replicated('/clickhouse/databases/" ~ database ~ "_tenant" ~ ("-" ~ shards.number if shards.number > 1 else "") ~ "', '{shard}', '{replica}')" if replicated }};

CREATE OR REPLACE VIEW {{ database }}_tenant.spans AS
SELECT * EXCEPT (topic, partition, offset)
    {{ plain(['tenant_id', 'env', 'service_name', 'operation', 'scope_name', 'scope_version', 'gen_ai_operation', 'agent_name', 'agent_version', 'workflow_id', 'tool_name', 'prompt_name', 'prompt_version', 'provider', 'model', 'finish_reason', 'error_type', 'cost_source']) }},
        CAST(attributes, 'Map(String, String)') AS attributes,
        CAST(resource_attributes, 'Map(String, String)') AS resource_attributes,
        CAST(invalid_fields, 'Array(String)') AS invalid_fields)
FROM {{ database }}.spans;

CREATE OR REPLACE VIEW {{ database }}_tenant.events AS
SELECT * EXCEPT (topic, partition, offset)
    {{ plain(['tenant_id', 'env', 'service_name', 'event_type', 'severity', 'agent_name', 'model', 'tool_name']) }})
FROM {{ database }}.events;

CREATE OR REPLACE VIEW {{ database }}_tenant.content AS
SELECT * {{ plain(['tenant_id', 'name', 'env', 'service_name']) }},
        lower(hex(trace_id)) AS trace_id,
        lower(hex(span_id)) AS span_id)
FROM {{ database }}.content FINAL;

CREATE OR REPLACE VIEW {{ database }}_tenant.traces AS
SELECT * {{ plain(['tenant_id']) }})
FROM {{ database }}.traces;

CREATE OR REPLACE VIEW {{ database }}_tenant.runs AS
SELECT * {{ plain(['tenant_id']) }})
FROM {{ database }}.runs;

CREATE OR REPLACE VIEW {{ database }}_tenant.spans_minute AS
SELECT * {{ plain(['tenant_id', 'env', 'service_name', 'operation', 'agent_name']) }})
FROM {{ database }}.spans_minute;

CREATE OR REPLACE VIEW {{ database }}_tenant.cost_minute AS
SELECT * {{ plain(['tenant_id', 'env', 'provider', 'model', 'service_name', 'agent_name', 'workflow_id']) }})
FROM {{ database }}.cost_minute;

CREATE OR REPLACE VIEW {{ database }}_tenant.tools_minute AS
SELECT * {{ plain(['tenant_id', 'env', 'tool_name', 'agent_name']) }})
FROM {{ database }}.tools_minute;

-- As they are stored, ids as bytes: what the dashboards ask (infra/dashboards/tenants.py).
CREATE OR REPLACE VIEW {{ database }}_tenant.spans_raw AS
SELECT * EXCEPT (topic, partition, offset)
    {{ plain(['tenant_id', 'env', 'service_name', 'operation', 'scope_name', 'scope_version', 'gen_ai_operation', 'agent_name', 'agent_version', 'workflow_id', 'tool_name', 'prompt_name', 'prompt_version', 'provider', 'model', 'finish_reason', 'error_type', 'cost_source']) }},
        CAST(attributes, 'Map(String, String)') AS attributes,
        CAST(resource_attributes, 'Map(String, String)') AS resource_attributes,
        CAST(invalid_fields, 'Array(String)') AS invalid_fields)
FROM {{ database }}.spans_raw;

CREATE OR REPLACE VIEW {{ database }}_tenant.events_raw AS
SELECT * EXCEPT (topic, partition, offset)
    {{ plain(['tenant_id', 'env', 'service_name', 'event_type', 'severity', 'agent_name', 'model', 'tool_name']) }})
FROM {{ database }}.events_raw;

CREATE OR REPLACE VIEW {{ database }}_tenant.content_raw AS
SELECT * {{ plain(['tenant_id', 'name', 'env', 'service_name']) }})
FROM {{ database }}.content;

CREATE OR REPLACE VIEW {{ database }}_tenant.trace_index AS
SELECT * {{ plain(['tenant_id']) }})
FROM {{ database }}.trace_index;

CREATE OR REPLACE VIEW {{ database }}_tenant.runs_between AS
SELECT * {{ plain(['tenant_id']) }})
FROM {{ database }}.runs_between(from = {from:DateTime('UTC')}, to = {to:DateTime('UTC')});

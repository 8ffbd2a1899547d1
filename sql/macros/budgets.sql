{# What a budget counts, by subject: tenant_id, subject, env, workflow_id, used, model_calls, unpriced_calls. `b`: a budget
   (configs/budgets.yaml). env and workflow_id are filled for runs alone: there they can be told only of a whole run.
   start, end: Unix seconds, whole minutes; end 0: none. only: the subjects asked for, {tenants, subjects, traces}, or
   nothing. active: only runs that have a span since then.
   enough: with fewer tool calls a run can't matter; base: unless it has a row of this computing.
   Sets of runs are made from runs_data: with superseded generations they are larger, never smaller, and need no join. #}
{% macro minutes(start, end) -%}
minute >= toDateTime({{ start }}, 'UTC'){{ " AND minute < toDateTime(" ~ end ~ ", 'UTC')" if end }}
{%- endmacro %}
{% macro equal(column, value) -%}
{{ ' AND ' ~ column ~ ' = ' ~ (value | sql_string) if value != '*' }}
{%- endmacro %}
{% macro tenants(b, only) -%}
{{ equal('tenant_id', b.tenant) }}{{ ' AND tenant_id IN (' ~ only.tenants ~ ')' if only }}
{%- endmacro %}
{% set repeats = 'arraySum(n -> n - 1, mapValues(sumMap(tool_call_counts)))' %}
{% macro amount(b) -%}
{%- if b.measure == 'spend_usd' -%} sum(cost_usd)
{%- elif b.measure == 'tokens' -%} toDecimal128(sum(tokens_prompt) + sum(tokens_completion), 12)
{%- elif b.measure == 'model_calls' -%} toDecimal128(sum({{ 'p.model_calls' if b.scope == 'run' else 'calls' }}), 12)
{%- else -%} toDecimal128({{ repeats }}, 12)
{%- endif -%}
{%- endmacro %}
{% macro usage(b, start, end, only='', active=0, enough=1, base=0) -%}
{% if b.scope == 'run' %}
SELECT
    tenant_id,
    lower(hex(trace_id)) AS subject,
    max(p.env) AS env,
    max(p.workflow_id) AS workflow_id,
    {{ amount(b) }} AS used,
    sum(p.model_calls) AS model_calls,
    sum(p.unpriced_calls) AS unpriced_calls
FROM telemetry.runs_parts AS p
WHERE {{ minutes(start, end) }}{{ tenants(b, only) }}
{% if only %}
    AND trace_id IN ({{ only.traces }})
{% elif b.measure == 'repeated_tool_calls' %}
    {# Adding up the counts of every call is dear: only of runs that made enough calls,
       or brought repeated ones along. #}
    AND (tenant_id, trace_id) IN
    (
        SELECT tenant_id, trace_id FROM telemetry.runs_data WHERE {{ minutes(start, end) }}{{ tenants(b, only) }}
        GROUP BY tenant_id, trace_id
        HAVING sum(tool_calls) > {{ enough }}{% if base %} OR trace_id IN
            (SELECT toFixedString(unhex(subject), 16) FROM telemetry.budget_base WHERE budget = {{ b.name | sql_string }} AND computed = {{ base }})
        {% endif %}

    )
{% endif %}
{% if active %}
    AND (tenant_id, trace_id) IN (SELECT tenant_id, trace_id FROM telemetry.runs_data WHERE minute >= toDateTime({{ active }}, 'UTC'))
{% endif %}
GROUP BY tenant_id, trace_id
{% elif b.measure == 'repeated_tool_calls' and b.scope == 'agent' %}
{# The runs' states know no agents: from raw spans, of runs that repeat calls at all, each span once. #}
SELECT tenant_id, toString(agent_name) AS subject, '' AS env, '' AS workflow_id,
    toDecimal128(sum(spans) - count(), 12) AS used, toUInt64(0) AS model_calls, toUInt64(0) AS unpriced_calls
FROM
(
    SELECT tenant_id, agent_name, trace_id, tool_call_hash, uniqExact(span_id) AS spans
    FROM telemetry.spans_raw
    WHERE start_ts >= toDateTime64({{ start }}, 9, 'UTC') AND tool_call_hash != 0 AND agent_name != ''
        {{- tenants(b, only) }}{{ equal('env', b.env) }}{{ equal('workflow_id', b.workflow) }}{{ equal('agent_name', b.agent) }}
{% if only %}
        AND (tenant_id, toString(agent_name)) IN ({{ only.subjects }})
{% endif %}
        AND (tenant_id, trace_id) IN
        (
            SELECT tenant_id, trace_id FROM telemetry.runs_data WHERE {{ minutes(start, end) }}{{ tenants(b, only) }}
            GROUP BY tenant_id, trace_id HAVING {{ repeats }} > 0
        )
    GROUP BY tenant_id, agent_name, trace_id, tool_call_hash
)
GROUP BY tenant_id, agent_name
{% elif b.measure == 'repeated_tool_calls' %}
SELECT tenant_id, {{ 'workflow' if b.scope == 'workflow' else "''" }} AS subject, '' AS env, '' AS workflow_id,
    toDecimal128(sum(repeats), 12) AS used, sum(calls) AS model_calls, sum(unpriced) AS unpriced_calls
FROM
(
    SELECT
        tenant_id,
        max(p.env) AS environment,
        max(p.workflow_id) AS workflow,
        {{ repeats }} AS repeats,
        sum(p.model_calls) AS calls,
        sum(p.unpriced_calls) AS unpriced
    FROM telemetry.runs_parts AS p
    WHERE {{ minutes(start, end) }}{{ tenants(b, only) }}
    GROUP BY tenant_id, trace_id
)
WHERE true{{ equal('environment', b.env) }}{{ equal('workflow', b.workflow) }}{{ " AND workflow != ''" if b.scope == 'workflow' }}
    {{- ' AND (tenant_id, workflow) IN (' ~ only.subjects ~ ')' if only and b.scope == 'workflow' }}
GROUP BY tenant_id, subject
{% else %}
{% set column = {'tenant': "''", 'workflow': 'c.workflow_id', 'agent': 'c.agent_name'}[b.scope] %}
SELECT tenant_id, toString({{ column }}) AS subject, '' AS env, '' AS workflow_id,
    {{ amount(b) }} AS used, sum(calls) AS model_calls, sum(c.unpriced_calls) AS unpriced_calls
FROM telemetry.cost_minute AS c
WHERE {{ minutes(start, end) }}{{ tenants(b, only) }}{{ equal('c.env', b.env) }}{{ equal('c.workflow_id', b.workflow) }}{{ equal('agent_name', b.agent) }}
    {{- " AND " ~ column ~ " != ''" if b.scope != 'tenant' }}
    {{- ' AND (tenant_id, toString(' ~ column ~ ')) IN (' ~ only.subjects ~ ')' if only and b.scope != 'tenant' }}
GROUP BY tenant_id, subject
{% endif %}
{%- endmacro %}
{# What can be told of a run only as a whole. #}
{% macro of_whole_runs(b) -%}
{%- if b.scope == 'run' -%}
{{ equal('max(u.env)', b.env) }}{{ equal('max(u.workflow_id)', b.workflow) }}
{%- endif -%}
{%- endmacro %}

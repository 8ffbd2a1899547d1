{# What the dashboards' queries share: a rollup's rows in the chosen time range, as far as the variables choose among them.
   Grafana puts '*' for All, as it is, so that rows with an empty name (no agent, no workflow) count. All tenants are all but
   the pipeline's own canary, which can be chosen by name. #}
{% set columns = {'environment': 'env', 'tenant': 'tenant_id', 'service': 'service_name', 'agent': 'agent_name',
                  'model': 'model', 'workflow': 'workflow_id', 'tool': 'tool_name'} %}
{% macro chosen(names, canary=false) -%}
{%- for name in names -%}
{%- set values = '${' ~ name ~ ':singlequote}' %}

    AND ('*' IN ({{ values }}){{ " AND tenant_id != 'canary'" if name == 'tenant' and not canary else "" }} OR {{ columns[name] }} IN ({{ values }}))
{%- endfor -%}
{%- endmacro %}
{% macro spans_minute() -%}
FROM telemetry.spans_minute
WHERE $__timeFilter(minute){{ chosen(['environment', 'tenant', 'service', 'agent']) }}
{%- endmacro %}
{% macro cost_minute() -%}
FROM telemetry.cost_minute
WHERE $__timeFilter(minute){{ chosen(['environment', 'tenant', 'service', 'agent', 'model', 'workflow']) }}
{%- endmacro %}
{% macro tools_minute() -%}
FROM telemetry.tools_minute
WHERE $__timeFilter(minute){{ chosen(['environment', 'tenant', 'agent', 'tool']) }}
{%- endmacro %}
{# Runs that began in the range. Their parts are read an hour further, so that a run at an edge is whole. #}
{% macro runs() -%}
FROM telemetry.runs_between(from = $__fromTime - 3600, to = $__toTime + 3600)
WHERE $__timeFilter(start_ts){{ chosen(['environment', 'tenant', 'service', 'agent', 'workflow']) }}
{%- endmacro %}
{% macro spans() -%}
FROM telemetry.spans
WHERE $__timeFilter(start_ts){{ chosen(['environment', 'tenant', 'service', 'agent', 'model', 'workflow', 'tool']) }}
{%- endmacro %}
{# Over how many of the 7 days before `at` an average goes: a pipeline that is younger has fewer. `began`: its oldest minute,
   1970 when there is none. #}
{% macro days_before(began, at) -%}
greatest(1, least(7, dateDiff('day', {{ began }}, {{ at }})))
{%- endmacro %}
{# Objectives as a table; see configs/slos.yaml. #}
{% macro objectives() -%}
values('objective String, service String, tenant String, availability Float64, latency_ms UInt32, latency_share Float64, window_days UInt32'
{%- for slo in slos %}, ({{ slo.name | sql_string }}, {{ slo.service | sql_string }}, {{ slo.tenant | sql_string }}, {{ slo.availability }}, {{ slo.latency_ms }}, {{ slo.latency_share }}, {{ slo.window_days }}){% endfor %})
{%- endmacro %}

{# A row a minute, tenant and service with an objective: requests (macros/rollups.sql), failed ones, slower ones than the
   objective. #}
{% macro objective_minutes() -%}
(
    SELECT
        o.objective AS objective, s.tenant_id AS tenant, s.service_name AS service, s.minute AS minute,
        o.availability AS availability, o.latency_ms AS latency_ms, o.latency_share AS latency_share,
        sum(s.spans) AS requests,
        sum(s.errors) AS failed,
        arraySum(mapValues(mapFilter((bound, n) -> bound > o.latency_ms, sumMap(s.latency_histogram)))) AS slow
    FROM telemetry.spans_minute AS s
    CROSS JOIN {{ objectives() }} AS o
    WHERE s.entry AND s.minute >= $__toTime - toIntervalDay(o.window_days) AND s.minute >= $__toTime - INTERVAL 90 DAY AND s.minute <= $__toTime
        AND o.service IN ('*', s.service_name) AND o.tenant IN ('*', s.tenant_id)
        {{- chosen(['environment', 'tenant', 'service']) }}
    GROUP BY objective, tenant, service, minute, availability, latency_ms, latency_share
)
{%- endmacro %}

{# The spans of the chosen trace, at most one row each: found by the trace's index, then by time, and told apart by their id.
   Not through `spans`: FINAL would read whole days. #}
{% macro one_trace(table, ts) -%}
FROM telemetry.{{ table }}
WHERE trace_id = unhex(if(match(${trace_id:singlequote}, '^[0-9A-Fa-f]{32}$'), ${trace_id:singlequote}, repeat('00', 16)))
    AND {{ ts }} >= (SELECT min(min_ts) - INTERVAL 1 SECOND {{ indexed() }})
    AND {{ ts }} <= (SELECT max(max_ts) + INTERVAL 1 HOUR {{ indexed() }})
    {{- chosen(['environment', 'tenant'], canary=true) }}
{%- endmacro %}
{% macro indexed() -%}
FROM telemetry.trace_index WHERE trace_id = unhex(if(match(${trace_id:singlequote}, '^[0-9A-Fa-f]{32}$'), ${trace_id:singlequote}, repeat('00', 16)))
{%- endmacro %}

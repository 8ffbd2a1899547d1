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
{# Runs that began in the range. Their parts are read an hour further, so that a run at an edge is whole. A run has no model and
   no tool of its own, and its agent is the one at its root: those are meant in which a chosen one was called, or took part. #}
{% macro runs() -%}
FROM telemetry.runs_between(from = $__fromTime - 3600, to = $__toTime + 3600)
WHERE $__timeFilter(start_ts){{ chosen(['environment', 'tenant', 'service', 'workflow']) }}
    {{- calling('agent', "agent_name != ''") }}
    {{- calling('model', 'is_inference') }}
    {{- calling('tool', "tool_name != ''") }}
{%- endmacro %}
{# The runs that called each tool, and what they cost: a run with several tools counts for each. #}
{% macro runs_by_tool() -%}
SELECT tool, count() AS runs, {{ sum_known() }} AS cost, {{ sum_usd() }} AS usd
    FROM
    (
        SELECT DISTINCT tenant_id AS tenant, lower(hex(trace_id)) AS run, tool_name AS tool
        FROM telemetry.spans_raw
        WHERE $__timeFilter(start_ts) AND tool_name != ''{{ chosen(['environment', 'tenant', 'agent', 'tool']) }}
    ) AS called
    INNER JOIN
    (
        SELECT tenant_id AS run_tenant, trace_id, model_calls, unpriced_calls, cost_usd
        {{ runs() }}
    ) AS runs ON called.tenant = runs.run_tenant AND called.run = runs.trace_id
    GROUP BY tool
{%- endmacro %}
{# With All nothing is read for it. GLOBAL: with shards both sides are distributed. #}
{% macro calling(name, call) -%}
{%- set values = '${' ~ name ~ ':singlequote}' %}

    AND ('*' IN ({{ values }}) OR (tenant_id, trace_id) GLOBAL IN
    (
        SELECT tenant_id, lower(hex(trace_id))
        FROM telemetry.spans_raw
        WHERE '*' NOT IN ({{ values }}) AND start_ts >= $__fromTime - 3600 AND start_ts <= $__toTime + 3600 AND {{ call }} AND {{ columns[name] }} IN ({{ values }})
    ))
{%- endmacro %}
{# What is booked for model calls, of which some may have no price: `usd` is NULL where nothing is known, and `known` says how much
   the figure tells. `cost` and `unpriced` (calls) are sums. A failed call without any usage costs nothing. #}
{% macro usd(cost, unpriced) -%}
if({{ unpriced }} > 0 AND {{ cost }} = 0, NULL, toFloat64({{ cost }}))
{%- endmacro %}
{% macro known(cost, unpriced) -%}
multiIf({{ unpriced }} = 0, 'known', {{ cost }} = 0, 'unpriced', 'at least')
{%- endmacro %}
{# Of a run; of a rollup's rows or of runs together; of spans together. #}
{% macro run_usd() -%}{{ usd('cost_usd', 'unpriced_calls') }}{%- endmacro %}
{% macro run_known() -%}{{ known('cost_usd', 'unpriced_calls') }}{%- endmacro %}
{% macro sum_usd() -%}{{ usd('sum(cost_usd)', 'sum(unpriced_calls)') }}{%- endmacro %}
{% macro sum_known() -%}{{ known('sum(cost_usd)', 'sum(unpriced_calls)') }}{%- endmacro %}
{% set of_calls = ['sumIf(ifNull(cost_usd, 0), is_inference)', "countIf(is_inference AND cost_source = 'unpriced')"] %}
{% macro spans_usd() -%}{{ usd(*of_calls) }}{%- endmacro %}
{% macro spans_known() -%}{{ known(*of_calls) }}{%- endmacro %}
{# A label that says what a bar cannot. #}
{% macro told(name) -%}
concat({{ name }}, multiIf(sum(unpriced_calls) = 0, '', sum(cost_usd) = 0, ' (unpriced)', ' (at least)'))
{%- endmacro %}
{# Who stands out comes first: the greatest of each figure, as a share of the greatest there is. #}
{% macro standing_out(figures) -%}
ORDER BY greatest({% for figure in figures %}ifNull({{ figure }} / nullIf(max({{ figure }}) OVER (), 0), 0){{ ', ' if not loop.last }}{% endfor %}) DESC
{%- endmacro %}
{# Runs by `name` (of the expression `value`): failures weigh by how many and by their share. #}
{% macro runs_standing_out(name, value) -%}
SELECT {{ name }}, failing, p95, cost, usd, runs
FROM
(
    SELECT
        {{ value }} AS {{ name }},
        countIf(outcome = 'error') / nullIf(countIf(outcome != 'running'), 0) AS failing,
        quantileIf(0.95)(duration_ms, outcome != 'running') AS p95,
        {{ sum_known() }} AS cost,
        {{ sum_usd() }} AS usd,
        count() AS runs,
        countIf(outcome = 'error') * ifNull(failing, 0) AS failures
    {{ runs() }}
    GROUP BY {{ name }}
)
{{ standing_out(['failures', 'p95', 'usd']) }}, failing DESC, {{ name }}
LIMIT 20
{%- endmacro %}
{% macro spans() -%}
FROM telemetry.spans
WHERE $__timeFilter(start_ts){{ chosen(['environment', 'tenant', 'service', 'agent', 'model', 'workflow', 'tool']) }}
{%- endmacro %}
{# Crossed budgets: those above their limit now, and those that were so in the range. A run's crossing is over when the run is, and
   what it cost stays spent. #}
{% macro crossed() -%}
level >= 1 AND (resolved IS NULL OR (began <= $__toTime AND resolved >= $__fromTime))
{%- endmacro %}
{# Over how many of the 7 days before `at` an average goes: a pipeline that is younger has fewer. `began`: its oldest minute,
   1970 when there is none. #}
{% macro days_before(began, at) -%}
greatest(1, least(7, dateDiff('day', {{ began }}, {{ at }})))
{%- endmacro %}
{# Objectives as a table; see configs/slos.yaml. #}
{% macro objectives() -%}
values('objective String, service String, tenant String, availability Float64, latency_ms UInt32, latency_share Float64, window_days UInt32, least_requests UInt64'
{%- for slo in slos %}, ({{ slo.name | sql_string }}, {{ slo.service | sql_string }}, {{ slo.tenant | sql_string }}, {{ slo.availability }}, {{ slo.latency_ms }}, {{ slo.latency_share }}, {{ slo.window_days }}, {{ slo.least_requests }}){% endfor %})
{%- endmacro %}

{# Whether the objective `o` is the one for the row `s`: it is for it, and no other one is nearer (configs/slos.yaml). #}
{% macro objective_applies(o, s) -%}
{{ o }}.service IN ('*', {{ s }}.service_name) AND {{ o }}.tenant IN ('*', {{ s }}.tenant_id)
{%- for slo in slos %}{% for nearer in slos if nearer.is_nearer(slo) %}

        AND NOT ({{ o }}.objective = {{ slo.name | sql_string }} AND {{ nearer.service | sql_string }} IN ('*', {{ s }}.service_name) AND {{ nearer.tenant | sql_string }} IN ('*', {{ s }}.tenant_id))
{%- endfor %}{% endfor %}
{%- endmacro %}

{# How fast an error budget burns: `bad` requests of the last `window` as a multiple of what is allowed; NULL where there are
   too few to tell. #}
{% macro burn(bad, window, allowed) -%}
{% set lately = 'minute > $__toTime - INTERVAL ' ~ window %}
if(sumIf(asked, {{ lately }}) >= any(least_requests), sumIf({{ bad }}, {{ lately }}) / sumIf(asked, {{ lately }}) / (1 - {{ allowed }}), NULL)
{%- endmacro %}
{# What is left of it over the objective's window; NULL where there are too few requests to tell. #}
{% macro budget_left(bad, allowed) -%}
if(sum(asked) >= any(least_requests), 1 - (sum({{ bad }}) / sum(asked)) / (1 - {{ allowed }}), NULL)
{%- endmacro %}

{# What of an objective was reached where `bad` of its minutes' requests were not good, and how fast its budget burns: beside the columns
   objective, service, tenant and `target`, the share that is to be good. #}
{% macro reached_and_burnt(bad) -%}
sum(asked) AS requests,
    1 - sum({{ bad }}) / requests AS reached,
    {{ budget_left(bad, 'target') }} AS budget_left,
    {{ burn(bad, '5 MINUTE', 'target') }} AS burn_5m,
    {{ burn(bad, '1 HOUR', 'target') }} AS burn_1h,
    {{ burn(bad, '6 HOUR', 'target') }} AS burn_6h,
    {{ burn(bad, '3 DAY', 'target') }} AS burn_3d
FROM {{ objective_minutes() }}
GROUP BY objective, service, tenant
ORDER BY budget_left ASC NULLS LAST, service, tenant
LIMIT 200
{%- endmacro %}
{# A row a minute, tenant and service with an objective: requests that were asked (macros/rollups.sql), failed ones, slower ones than the
   objective. #}
{% macro objective_minutes() -%}
(
    SELECT
        o.objective AS objective, s.tenant_id AS tenant, s.service_name AS service, s.minute AS minute,
        o.availability AS availability, o.latency_ms AS latency_ms, o.latency_share AS latency_share,
        o.least_requests AS least_requests,
        sum(s.spans) AS asked,
        sum(s.errors) AS failed,
        arraySum(mapValues(mapFilter((bound, n) -> bound > o.latency_ms, sumMap(s.latency_histogram)))) AS slow
    FROM telemetry.spans_minute AS s
    CROSS JOIN {{ objectives() }} AS o
    WHERE s.entry AND s.minute >= $__toTime - toIntervalDay(o.window_days) AND s.minute >= $__toTime - INTERVAL 90 DAY AND s.minute <= $__toTime
        AND {{ objective_applies('o', 's') }}
        {{- chosen(['environment', 'tenant', 'service']) }}
    GROUP BY objective, tenant, service, minute, availability, latency_ms, latency_share, least_requests
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

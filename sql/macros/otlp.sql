{# How OTLP's AnyValue in protobuf is read and turned into text, and which times are believed.

   any_type(n)    the column type of an AnyValue that is unfolded n levels deep (AnyN in configs/otlp/otlp.proto)
   any_text(v)    a scalar as plain text, lists as JSON text, unset as 'null'
   map_text(m)    a Map(String, AnyN) as Map(String, String)

   ClickHouse plans a view's query anew for every block, and a recursive expression over these types took it 0.2 s.
   Hence: the parser itself writes numbers as text (String columns), and nested lists are printed by toJSONString, in the
   shape {"value":"int_value","string_value":"", ...}, and unwrapped by one regular expression (infra/schema_text.py).
   It also writes every / as \/. #}
{% macro any_type(n) -%}
Tuple(value Enum8('null' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value String, int_value String, double_value String,
{%- if n == 0 %} array_value String, kvlist_value String,
{%- else %} array_value Tuple(values Array({{ any_type(n - 1) }})), kvlist_value Tuple(values Map(String, {{ any_type(n - 1) }})),
{%- endif %} bytes_value String)
{%- endmacro %}


{% macro list_json(list) -%}
toValidUTF8(replaceAll(replaceRegexpAll(toJSONString({{ list }}), {{ nested.pattern | sql_string }}, {{ nested.replacement | sql_string }}), '\\/', '/'))
{%- endmacro %}

{# Most lists hold texts only: those need no unwrapping. #}
{% macro array_json(items) -%}
if(arrayAll(x -> x = 'string_value', {{ items }}.value), toValidUTF8(replaceAll(toJSONString({{ items }}.string_value), '\\/', '/')), {{ list_json(items) }})
{%- endmacro %}

{% macro text_of(kind, string, bool, int, double, array, kvlist, bytes, folded=false) -%}
multiIf({{ kind }} = 'string_value', {{ string }}, {{ kind }} = 'int_value', {{ int }}, {{ kind }} = 'array_value', {{ list_json(array) if folded else array_json(array) }}, {{ kind }} = 'kvlist_value', {{ list_json(kvlist) }}, {{ kind }} = 'bool_value', {{ bool }}, {{ kind }} = 'double_value', {{ double }}, {{ kind }} = 'bytes_value', base64Encode({{ bytes }}), 'null')
{%- endmacro %}

{% macro any_text(v) -%}
{{ text_of(v ~ '.value', v ~ '.string_value', v ~ '.bool_value', v ~ '.int_value', v ~ '.double_value', v ~ '.array_value.values', v ~ '.kvlist_value.values', v ~ '.bytes_value') }}
{%- endmacro %}

{# The lambda takes the fields apart: a branch of multiIf that runs for few rows then copies those rows of one field, not of
   the whole tuple. folded: lists are bytes (Any0). #}
{% macro texts(values, folded=false) -%}
arrayMap((t, s, b, i, d, a, k, y) -> {{ text_of('t', 's', 'b', 'i', 'd', 'a', 'k', 'y', folded) }}, {{ values }}.value, {{ values }}.string_value, {{ values }}.bool_value, {{ values }}.int_value, {{ values }}.double_value, {{ values }}.array_value{{ '' if folded else '.values' }}, {{ values }}.kvlist_value{{ '' if folded else '.values' }}, {{ values }}.bytes_value)
{%- endmacro %}

{% macro map_text(m, folded=false) -%}
mapFromArrays(mapKeys({{ m }}), {{ texts('mapValues(' ~ m ~ ')', folded) }})
{%- endmacro %}

{# When Kafka took the message: the same however often it is read. Without one, or with a nonsensical one, now. #}
{% macro message_ts() -%}
if(ifNull(abs(dateDiff('day', _timestamp_ms, now64(3))) <= 366, false), assumeNotNull(_timestamp_ms), now64(3))
{%- endmacro %}

{% macro ns_of(ts) -%}
toUInt64(toUnixTimestamp64Nano(toDateTime64({{ ts }}, 9, 'UTC')))
{%- endmacro %}

{# What is set for a tenant; '*' stands for every tenant without a row of its own. #}
{% macro keep_content(tenant) -%}
dictGetOrDefault('{{ database }}.tenant', 'keep_content', {{ tenant }}, dictGetOrDefault('{{ database }}.tenant', 'keep_content', '*', toUInt8(0)))
{%- endmacro %}

{% macro retention_days(tenant) -%}
dictGetOrDefault('{{ database }}.tenant', 'retention_days', {{ tenant }}, toUInt16(0))
{%- endmacro %}

{# For a SELECT of a resource's rows, each with `known` (lift.known): the record's own tenant.id stands before the
   resource's. Only where the payload names the tenant at all (collectorAuth: none). #}
{% macro own_tenant() %}
    arrayFirst(x -> x.1 = {{ aliases.tenant_code * aliases.ranks }}, known).2 AS own_tenant,
    if(own_tenant = '', tenant_id, own_tenant) AS tenant_id,
    if(own_tenant = '', keep_content, {{ keep_content('own_tenant') }}) AS keep_content,
    if(own_tenant = '', retention_days, {{ retention_days('own_tenant') }}) AS retention_days,
{%- endmacro %}
{% set replaced = ', tenant_id, keep_content, retention_days' if tenant_of_record else '' %}

{# Our name of the topic: without what it begins with on brokers that several stacks share. #}
{% macro topic() -%}
{{ "substring(_topic, " ~ (kafka.prefix | length + 1) ~ ")" if kafka.prefix else "_topic" }}
{%- endmacro %}

{# A row a resource: the message's facts, the resource's attributes as text, and its scopes. #}
{% macro opened(source, list, scopes, attributes_text) %}
SELECT
    topic, partition, offset, message_ts, ingest_ts,
    {{ attributes_text }} AS resource_attributes,
    tupleElement(resource, '{{ scopes }}') AS {{ scopes }}
FROM
(
    SELECT
        {{ topic() }} AS topic, _partition AS partition, _offset AS offset, {{ message_ts() }} AS message_ts, now64(3) AS ingest_ts,
        arrayJoin({{ list }}) AS resource
    FROM {{ source }}
    WHERE _error = ''
)
{%- endmacro %}

{# What follows from the resource.

   Times are believed between oldest_nano and newest_nano: from the oldest day that is kept to a day ahead. So a broken
   clock makes neither a thousand partitions nor rows that the TTL deletes unseen. An unbelievable start becomes the end,
   else hour_nano, the hour in which Kafka took the message: coarse, so that the same span sent again a moment later gets
   the same sort key and collapses with the first. #}
{% macro resources(source, scopes) %}
SELECT
    topic, partition, offset, message_ts, ingest_ts,
    {{ ns_of('message_ts') }} - {{ retention.oldest_days * 86400 }}000000000 AS oldest_nano,
    {{ ns_of('message_ts') }} + 86400000000000 AS newest_nano,
    {{ ns_of('toStartOfHour(message_ts)') }} AS hour_nano,
    tenant_id,
    multiIf(resource_attributes['deployment.environment.name'] != '', resource_attributes['deployment.environment.name'], resource_attributes['deployment.environment'] != '', resource_attributes['deployment.environment'], {{ default_env | sql_string }}) AS env,
    if(resource_attributes['service.name'] = '', 'unknown', resource_attributes['service.name']) AS service_name,
    resource_attributes,
    {{ keep_content('tenant_id') }} AS keep_content,
    {{ retention_days('tenant_id') }} AS retention_days,
    {{ scopes }}
FROM
(
    SELECT *, if(resource_attributes['tenant.id'] = '', 'default', resource_attributes['tenant.id']) AS tenant_id
    FROM {{ source }}
)
{%- endmacro %}

{# How OTLP's AnyValue is read and turned into text. Shared by both encodings and both topics.

   any_type(n)      the column type of an AnyValue that is unfolded n levels deep (AnyN in configs/otlp/otlp.proto)
   any_text(v, n)   a scalar as plain text, lists as JSON text, unset as 'null'
   map_text(m, n)   a Map(String, AnyN) as Map(String, String)
#}
{% macro any_type(n) -%}
Tuple(value Enum8('unset' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64,
{%- if n == 0 %} array_value String, kvlist_value String,
{%- else %} array_value Tuple(values Array({{ any_type(n - 1) }})), kvlist_value Tuple(values Map(String, {{ any_type(n - 1) }})),
{%- endif %} bytes_value String)
{%- endmacro %}

{# toJSONString writes every / as \/ unless a session setting says otherwise; a view has no session of its own. #}
{% macro json_string(text) -%}
replaceAll(toJSONString({{ text }}), '\\/', '/')
{%- endmacro %}

{% macro double_json(number) -%}
if(isFinite({{ number }}), toString({{ number }}), concat('"', toString({{ number }}), '"'))
{%- endmacro %}

{# A list below the last unfolded level: the encoded OTLP bytes, marked, so that nothing is lost. #}
{% macro folded(bytes) -%}
concat('{"otlp_base64":"', base64Encode({{ bytes }}), '"}')
{%- endmacro %}

{% macro array_json(v, n) -%}
{%- if n == 0 -%}
{{ folded(v ~ '.array_value') }}
{%- else -%}
concat('[', arrayStringConcat(arrayMap(x{{ n }} -> {{ any_json('x' ~ n, n - 1) }}, {{ v }}.array_value.values), ','), ']')
{%- endif -%}
{%- endmacro %}

{% macro kvlist_json(v, n) -%}
{%- if n == 0 -%}
{{ folded(v ~ '.kvlist_value') }}
{%- else -%}
concat('{', arrayStringConcat(arrayMap((k{{ n }}, x{{ n }}) -> concat({{ json_string('k' ~ n) }}, ':', {{ any_json('x' ~ n, n - 1) }}), mapKeys({{ v }}.kvlist_value.values), mapValues({{ v }}.kvlist_value.values)), ','), '}')
{%- endif -%}
{%- endmacro %}

{% macro any_json(v, n) -%}
multiIf({{ v }}.value = 'string_value', {{ json_string(v ~ '.string_value') }}, {{ v }}.value = 'int_value', toString({{ v }}.int_value), {{ v }}.value = 'double_value', {{ double_json(v ~ '.double_value') }}, {{ v }}.value = 'bool_value', toString({{ v }}.bool_value), {{ v }}.value = 'array_value', {{ array_json(v, n) }}, {{ v }}.value = 'kvlist_value', {{ kvlist_json(v, n) }}, {{ v }}.value = 'bytes_value', concat('"', base64Encode({{ v }}.bytes_value), '"'), 'null')
{%- endmacro %}

{% macro any_text(v, n) -%}
multiIf({{ v }}.value = 'string_value', {{ v }}.string_value, {{ v }}.value = 'int_value', toString({{ v }}.int_value), {{ v }}.value = 'double_value', toString({{ v }}.double_value), {{ v }}.value = 'bool_value', toString({{ v }}.bool_value), {{ v }}.value = 'array_value', {{ array_json(v, n) }}, {{ v }}.value = 'kvlist_value', {{ kvlist_json(v, n) }}, {{ v }}.value = 'bytes_value', base64Encode({{ v }}.bytes_value), 'null')
{%- endmacro %}

{% macro map_text(m, n) -%}
mapFromArrays(mapKeys({{ m }}), arrayMap(x -> {{ any_text('x', n) }}, mapValues({{ m }})))
{%- endmacro %}

{# When Kafka took the message: the same however often it is read. Without one, or with a nonsensical one, now. #}
{% macro message_ts() -%}
if(ifNull(abs(dateDiff('day', _timestamp_ms, now64(3))) <= 366, false), assumeNotNull(_timestamp_ms), now64(3))
{%- endmacro %}

{% macro ns_of(ts) -%}
toUInt64(toUnixTimestamp64Nano(toDateTime64({{ ts }}, 9, 'UTC')))
{%- endmacro %}

{# A time is believed between the oldest day that is kept and a day ahead. So a broken clock makes neither a thousand
   partitions nor rows that the TTL deletes unseen. #}
{% macro time_ok(nano) -%}
({{ nano }} BETWEEN {{ ns_of('message_ts') }} - {{ retention.oldest_days * 86400 }}000000000 AND {{ ns_of('message_ts') }} + 86400000000000)
{%- endmacro %}

{# An unbelievable start becomes the end, else the hour in which Kafka took the message: coarse, so that the same span
   sent again a moment later gets the same sort key and collapses with the first. #}
{% macro start_nano(start, end) -%}
multiIf({{ time_ok(start) }}, {{ start }}, {{ time_ok(end) }}, {{ end }}, {{ ns_of('toStartOfHour(message_ts)') }})
{%- endmacro %}

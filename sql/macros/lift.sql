{# From a span's (or an event's) attributes to columns.

   Each key is looked up once in a hash table of all known spellings and becomes a number: its column's code times
   aliases.ranks plus its precedence. What is known is sorted by that number, so that a column's value is the first
   entry with the column's code. Asking the map for every spelling would scan it some 60 times a span. #}

{% macro ids(keys, unlisted=none) -%}
transform({{ keys }}, {{ string_array(aliases.names) }}, CAST({{ aliases.ids }}, 'Array(UInt32)'), {{ unlisted or beginning(keys) }})
{%- endmacro %}

{# The number of a name that is not listed: content by how it begins, or nothing. #}
{% macro beginning(keys) -%}
if({% for text in aliases.beginnings %}startsWith({{ keys }}, {{ text | sql_string }}){{ ' OR ' if not loop.last }}{% endfor %}, toUInt32({{ aliases.content_code * aliases.ranks }}), toUInt32(0))
{%- endmacro %}

{# transform takes no array, and inside of arrayMap it still runs once over the elements of all rows. #}
{% macro ids_of_array(keys) -%}
arrayMap(k -> {{ ids('k') }}, {{ keys }})
{%- endmacro %}

{% macro string_array(values) -%}
[{% for value in values %}{{ value | sql_string }}{{ ', ' if not loop.last }}{% endfor %}]
{%- endmacro %}

{# (id, value) of what is known and set, by precedence. An unset OTLP value is the text 'null'. #}
{% macro known(ids, keys, values) -%}
arraySort(x -> x.1, arrayFilter(x -> x.1 != 0 AND x.2 != 'null', arrayConcat(arrayZip({{ ids }}, {{ values }}), {{ members(ids, keys, values) }})))
{%- endmacro %}

{# The same of the members of JSON objects (aliases' objects). Most spans have none: what is filtered is empty. #}
{% macro members(numbers, keys, values) -%}
arrayFlatten(arrayMap(o -> arrayMap(m -> ({{ ids("concat(o.1, '.', m.1)", 'toUInt32(0)') }}, m.2), JSONExtractKeysAndValuesRaw(o.2)), arrayFilter(o -> intDiv(o.3, {{ aliases.ranks }}) = {{ aliases.objects_code }}, arrayZip({{ keys }}, {{ values }}, {{ numbers }}))))
{%- endmacro %}

{% macro codes(known) -%}
arrayMap(x -> intDiv(x.1, {{ aliases.ranks }}), {{ known }})
{%- endmacro %}

{# The text of a column, '' when no spelling of it was there. Reads columns `codes` and `texts`. #}
{% macro text(column) -%}
texts[indexOf(codes, {{ aliases.codes[column] }})]
{%- endmacro %}

{# A column's value by its kind. An exception that was recorded as a span event counts as the span's. #}
{% macro column(name, kind) -%}
{%- if kind == 'list' -%}
{{ list(name) }}
{%- elif aliases['values'][name] -%}
{{ mapped(name) }}
{%- elif name == 'error_type' -%}
if({{ text(name) }} = '', exception['exception.type'], {{ text(name) }})
{%- elif name == 'exception_message' -%}
if({{ text(name) }} = '', exception['exception.message'], {{ text(name) }})
{%- else -%}
{{ text(name) }}
{%- endif -%}
{%- endmacro %}

{# As text, with older spellings of the value replaced. #}
{% macro mapped(column) -%}
{%- set values = aliases['values'][column] -%}
transform({{ text(column) }}, {{ string_array(values.keys()) }}, {{ string_array(values['values']()) }}, {{ text(column) }})
{%- endmacro %}

{% macro list(column) -%}
if(startsWith({{ text(column) }}, '['), arrayStringConcat(JSONExtract({{ text(column) }}, 'Array(String)'), ','), {{ text(column) }})
{%- endmacro %}

{# A whole number between 0 and 10^12, however it was spelled ("12", 12.0); anything else NULL. `number` is what
   toFloat64OrNull made of the text; NaN fails every comparison. #}
{% macro tokens(number) -%}
if(ifNull({{ number }} BETWEEN 0 AND 1e12 AND {{ number }} = floor({{ number }}), false), accurateCastOrNull({{ number }}, 'UInt64'), NULL)
{%- endmacro %}

{# US dollars from 0 to below a million, 12 decimals (more are cut off); anything else NULL. #}
{% macro usd(text) -%}
if(ifNull(toDecimal64OrNull({{ text }}, 12) >= 0, false), toDecimal64OrNull({{ text }}, 12), NULL)
{%- endmacro %}

{% macro is_inference() -%}
(gen_ai_operation IN ('chat', 'text_completion', 'generate_content', 'embeddings') OR (gen_ai_operation = '' AND model != '' AND (tokens_prompt IS NOT NULL OR tokens_completion IS NOT NULL)))
{%- endmacro %}

{% macro no_price() -%}
(toDecimal128(0, 12), toDecimal128(0, 12), toDecimal128(0, 12), toDecimal128(0, 12), toUInt8(0))
{%- endmacro %}

{# Tokens times the price of the model at that time; NULL without a price. A price is looked for under the provider and
   under any, with the model's full name and without what says which build it is: a date, -latest, @…, -vN:M (Bedrock's).
   No other number is taken off, it may be another model. dictGetOrDefault can't throw once the dictionary exists; an
   empty one gives the default. #}
{% macro price(ts) -%}
{%- set dictionary = "'" ~ database ~ ".model_price'" -%}
{%- set attributes = "('input', 'cached', 'output', 'reasoning', 'found')" -%}
{%- set default = no_price() -%}
{%- set short = "replaceRegexpOne(lower(model), '((-20\\\\d\\\\d-\\\\d\\\\d-\\\\d\\\\d|-20\\\\d{6})(-v\\\\d+:\\\\d+)?|-v\\\\d+:\\\\d+|-latest|@[0-9a-z-]+)$', '')" -%}
dictGetOrDefault({{ dictionary }}, {{ attributes }}, (lower(provider), lower(model)), {{ ts }},
                dictGetOrDefault({{ dictionary }}, {{ attributes }}, ('', lower(model)), {{ ts }},
                dictGetOrDefault({{ dictionary }}, {{ attributes }}, (lower(provider), {{ short }}), {{ ts }},
                dictGetOrDefault({{ dictionary }}, {{ attributes }}, ('', {{ short }}), {{ ts }}, {{ default }}))))
{%- endmacro %}

{# Cached tokens are part of the prompt's, reasoning tokens part of the completion's. #}
{% macro priced(price) -%}
if({{ price }}.5 = 1 AND (tokens_prompt IS NOT NULL OR tokens_completion IS NOT NULL), accurateCastOrNull(
            (ifNull(tokens_prompt, 0) - least(ifNull(tokens_cached, 0), ifNull(tokens_prompt, 0))) * {{ price }}.1
            + least(ifNull(tokens_cached, 0), ifNull(tokens_prompt, 0)) * {{ price }}.2
            + (ifNull(tokens_completion, 0) - least(ifNull(tokens_reasoning, 0), ifNull(tokens_completion, 0))) * {{ price }}.3
            + least(ifNull(tokens_reasoning, 0), ifNull(tokens_completion, 0)) * {{ price }}.4, 'Decimal(18, 12)'), NULL)
{%- endmacro %}

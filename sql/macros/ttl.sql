{# When rows move and expire, by the retention settings. The migrations use these for new tables, the retention step for
   stored ones (MODIFY TTL), so the two can't differ. #}
{% macro move(ts) -%}
toDateTime({{ ts }}) + toIntervalDay({{ retention.slow_days }}) TO VOLUME 'slow'
{%- if retention.s3_days %}, toDateTime({{ ts }}) + toIntervalDay({{ retention.s3_days }}) TO VOLUME 's3'{% endif %}
{%- endmacro %}

{# A tenant's own retention_days is stamped on its rows at ingest; 0 means the stack's. #}
{% macro raw(ts) -%}
{{ move(ts) }}, toDateTime({{ ts }}) + toIntervalDay(if(retention_days = 0, {{ retention.raw_days }}, retention_days)) DELETE
{%- endmacro %}

{% macro index(ts) -%}
toDateTime({{ ts }}) + toIntervalDay({{ retention.raw_days }}) DELETE
{%- endmacro %}

{% macro content(ts) -%}
toDateTime({{ ts }}) + toIntervalDay({{ retention.content_days }}) DELETE
{%- endmacro %}

{% macro dead_letters(ts) -%}
toDateTime({{ ts }}) + toIntervalDay({{ retention.dead_letters_days }}) DELETE
{%- endmacro %}

{% macro rollups(ts) -%}
toDateTime({{ ts }}) + toIntervalDay({{ retention.rollups_days }}) DELETE
{%- endmacro %}

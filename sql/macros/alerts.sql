{# What the alerts' queries share. They know no variables, only the time at which they are evaluated: $__toTime, so that an
   alert can be evaluated as of any moment. Each answers with its labels as text and one figure, `value`. #}

{# The last minutes, the running one included. The canary's own spans are no traffic. #}
{% macro lately(minutes) -%}
minute > $__toTime - INTERVAL {{ minutes }} MINUTE AND minute <= $__toTime AND tenant_id != 'canary'
{%- endmacro %}

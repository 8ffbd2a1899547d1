-- spans_in -> the rollups and runs, by the same SELECT that a repair runs (sql/rollups).
{% with source = database ~ '.spans_in', where = '', generation = 0 %}
{% for name in ['spans_minute', 'cost_minute', 'tools_minute', 'runs'] %}

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.{{ name }}_mv TO {{ database }}.{{ name }}_data AS
{% include 'rollups/' ~ name ~ '.sql' %}
;
{% endfor %}
{% endwith %}

-- spans_in -> spans_raw.
{% import 'macros/span_columns.sql' as columns with context %}

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.spans_raw_mv TO {{ database }}.spans_raw AS
SELECT
    {{ columns.names | join(', ') }}
FROM {{ database }}.spans_in;

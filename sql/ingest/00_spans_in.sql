-- Every span passes here once, fully expanded; the views in the following files read from it. Stores nothing.
{% import 'macros/span_columns.sql' as columns with context %}

CREATE TABLE IF NOT EXISTS {{ database }}.spans_in
(
{{ columns.definition() }},
    events Array(Tuple(ts DateTime64(9, 'UTC'), name String, attributes Map(String, String))),
    content Array(Tuple(name String, text String)),
    events_content Array(Map(String, String))
)
ENGINE = Null;

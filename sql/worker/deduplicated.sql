{# Raw rows, each span once. #}
(SELECT * FROM telemetry.spans_raw FINAL{% if where %} WHERE {{ where }}{% endif %})

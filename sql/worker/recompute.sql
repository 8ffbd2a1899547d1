-- A new generation of some keys, from deduplicated raw. Nobody sees it before the flip.
INSERT INTO telemetry.{{ table }} ({{ columns }})
{{ select }}

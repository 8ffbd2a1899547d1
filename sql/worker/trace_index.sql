-- Writes the trace index of some keys again. Its columns are least, greatest and any: repeating them changes nothing.
INSERT INTO telemetry.trace_index ({{ columns }})
{{ select }}

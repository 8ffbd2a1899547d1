-- The readable names of the rollups: of every tenant's minute only the rows of its newest generation.
-- kind: metadata
{% import 'macros/rollups.sql' as rollups with context %}

{% for name, table in rollups.tables.items() %}
-- State columns stay states. Filters on tenant_id and minute reach both sides of the join.
CREATE OR REPLACE VIEW {{ database }}.{{ name ~ ('_parts' if name == 'runs' else '') }} AS
SELECT d.* EXCEPT (generation)
FROM {{ database }}.{{ name }}_data AS d
LEFT ANY JOIN
(
    SELECT tenant_id, minute, max(generation) AS visible
    FROM {{ database }}.rollup_generations
    GROUP BY tenant_id, minute
) AS g ON d.tenant_id = g.tenant_id AND d.minute = g.minute
WHERE d.generation = ifNull(g.visible, 0);

{% endfor %}
-- A row a trace. Loops: calls of a tool by the same agent with the same arguments beyond the first.
CREATE OR REPLACE VIEW {{ database }}.runs AS
{% include 'macros/runs_select.sql' %}
GROUP BY p.tenant_id, p.trace_id;

CREATE OR REPLACE VIEW {{ database }}.runs_between AS
{% include 'macros/runs_select.sql' %}
WHERE p.minute >= toStartOfMinute({from:DateTime('UTC')}) AND p.minute < {to:DateTime('UTC')}
GROUP BY p.tenant_id, p.trace_id;

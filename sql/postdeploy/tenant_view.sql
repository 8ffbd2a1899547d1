-- One view of a tenant's reader: runs as the tenant's definer, whose row filters hold. Placeholders: database, name, definer,
-- source, arguments (of a view with parameters, else '').
CREATE OR REPLACE VIEW {{ database }}.`{{ name }}`
DEFINER = `{{ definer }}` SQL SECURITY DEFINER
AS SELECT * FROM {{ database }}.{{ source }}{{ arguments }}

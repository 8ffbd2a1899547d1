-- Our databases, as far as they are there.
SELECT name FROM system.databases WHERE name IN ({{ databases }}) ORDER BY name

-- The rows in force, as JSON in the form in which they were loaded.
{% import 'macros/reference.sql' as reference with context %}
{{ reference.live(table, reference.tables[table]) }}

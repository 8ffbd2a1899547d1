-- One insert: the rows that are wanted, and the ones that are no longer, marked as removed.
{% import 'macros/reference.sql' as reference with context %}
{{ reference.load(table, reference.tables[table], reference.keys[table]) }}

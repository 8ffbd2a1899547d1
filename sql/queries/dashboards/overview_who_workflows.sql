-- Workflows that fail, are slow or cost most, whoever stands out first.
{% import 'macros/dashboards.sql' as d with context %}
{{ d.runs_standing_out('workflow', "if(workflow_id = '', '(none)', workflow_id)") }}

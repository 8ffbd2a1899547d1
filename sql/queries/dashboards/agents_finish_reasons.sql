-- Why models stopped: calls by finish reason.
{% import 'macros/dashboards.sql' as d with context %}
SELECT if(finish_reason = '', '(not told)', finish_reason) AS reason, count() AS model_calls
{{ d.spans() }}
    AND is_inference
GROUP BY reason
ORDER BY model_calls DESC
LIMIT 10

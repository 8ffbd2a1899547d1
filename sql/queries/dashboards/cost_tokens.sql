-- Tokens a minute by what is paid for them; cached ones are part of the input, reasoning ones of the output.
{% import 'macros/dashboards.sql' as d with context %}
SELECT
    $__timeInterval(minute) AS time,
    (sum(tokens_prompt) - least(sum(tokens_cached), sum(tokens_prompt))) / ($__interval_s / 60) AS input,
    sum(tokens_cached) / ($__interval_s / 60) AS cached,
    (sum(tokens_completion) - least(sum(tokens_reasoning), sum(tokens_completion))) / ($__interval_s / 60) AS output,
    sum(tokens_reasoning) / ($__interval_s / 60) AS reasoning
{{ d.cost_minute() }}
GROUP BY time
ORDER BY time

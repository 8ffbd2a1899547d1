-- The stack's days before they change: rows with the stamp 0 went by them. The new ones reach stored parts in the background,
-- for which a day is allowed.
{% import 'macros/stack_days.sql' as raw with context %}
INSERT INTO {{ database }}.retention_changes (tenant_id, retention_days, until, rewritten)
SELECT '' AS tenant_id, days, now64(3) + toIntervalDay(toUInt8(done)), done
FROM (SELECT ({{ raw.stack_days('spans_raw') }}) AS days)
ARRAY JOIN [false, true] AS done
WHERE days > 0

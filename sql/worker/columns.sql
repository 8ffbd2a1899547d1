-- The columns that a SELECT gives, in order: an INSERT takes columns by position, a materialized view by name.
DESCRIBE TABLE ({{ select }})

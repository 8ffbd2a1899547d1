-- What each tenant's new rows are stamped with, and how long ago that was set (seconds).
SELECT tenant_id, if(removed, 0, retention_days), dateDiff('second', loaded_at, now64(3))
FROM telemetry.tenants FINAL

"""Rows of two tenants, and what a tenant's reader might try to see the other's: for tests."""

from __future__ import annotations

READER, TENANT, OTHER = "reader-acme", "acme", "globex"
SECRET = "xyzzy"
"""Stands in every text of the other tenant's rows, and in no query."""
FILL = [
    "INSERT INTO telemetry.spans_in (tenant_id, service_name, operation, agent_name, model, tool_name, gen_ai_operation, "
    "is_inference, start_ts, end_ts, trace_id, span_id, attributes, events, content, topic, partition, offset, ingest_ts) SELECT '{tenant}', '{text}', '{text}', '{text}', "
    "'{text}', '{text}', 'chat', true, now64(9), now64(9), '{text}-trace', '{text}', map('key', '{text}', '{text}', '{text}'), [(now64(9), '{text}', map('key', '{text}'))], "
    "[('gen_ai.prompt', '{text}')], 'otel-spans', 0, {offset}, now64(3)",
    "INSERT INTO telemetry.logs_in (tenant_id, event_type, source, event_ts, payload_json, topic, partition, offset, "
    "ingest_ts) SELECT '{tenant}', '{text}', 'log', now64(9), '{text}', 'otel-events', 0, {offset}, now64(3)",
    "INSERT INTO telemetry.rollup_generations SELECT '{tenant}', toStartOfMinute(now() - 86400), 7, now64(3)",
    "INSERT INTO telemetry.tenants (tenant_id, retention_days, keep_content) VALUES ('{tenant}', 7, true)",
    "INSERT INTO telemetry.dead_letters VALUES ('otel-spans', 0, {offset}, now64(3), now64(3), '{text}', '{text}')",
    "INSERT INTO telemetry.backfills (backfill_id, tenant_id) VALUES ('{text}', '{tenant}')",
]


FORMS = {
    "plain": "SELECT count(), countIf(tenant_id != 'acme') FROM {table}",
    "own": "SELECT count(), 0 FROM {table} WHERE tenant_id = 'acme'",
    "foreign": "SELECT (SELECT count() FROM {table}), count() FROM {table} WHERE tenant_id != 'acme'",
    "subquery": "SELECT count(), countIf(t != 'acme') FROM (SELECT tenant_id AS t, * FROM {table})",
    "with": "WITH all AS (SELECT * FROM {table}) SELECT count(), countIf(tenant_id != 'acme') FROM all",
    "union": "SELECT count() / 2, countIf(t != 'acme') FROM (SELECT tenant_id AS t FROM {table} UNION ALL SELECT tenant_id FROM {table})",
    "join": "SELECT (SELECT count() FROM {table}), countIf(b.tenant_id != 'acme') FROM system.one AS a CROSS JOIN {table} AS b",
    "in": "SELECT (SELECT count() FROM {table}), arrayExists(t -> t IN (SELECT tenant_id FROM {table}), [concat('glo', 'bex')])",
    "grouped": "SELECT sum(n), sumIf(n, tenant_id != 'acme') FROM (SELECT tenant_id, count() AS n FROM {table} GROUP BY tenant_id)",
    "ordered": "SELECT count(), countIf(tenant_id != 'acme') FROM (SELECT tenant_id FROM {table} ORDER BY tenant_id DESC LIMIT 1000)",
    "window": "SELECT count(), countIf(top != 'acme') FROM (SELECT max(tenant_id) OVER () AS top FROM {table})",
    "view function": "SELECT count(), countIf(tenant_id != 'acme') FROM view(SELECT * FROM {table})",
    "greatest": "SELECT (SELECT count() FROM {table}), max(tenant_id) != 'acme' FROM {table}",
    "prewhere": "SELECT (SELECT count() FROM {table}), count() FROM {table} PREWHERE tenant_id != 'acme'",
    "final": "SELECT (SELECT count() FROM {table}), countIf(tenant_id != 'acme') FROM {table} FINAL",
}


S = "telemetry_tenant.spans_of_acme"
WAYS_ROUND = {
    "merge": "SELECT * FROM merge(REGEXP('telem.try'), 'spans_raw')",
    "loop": f"SELECT * FROM loop({S}) LIMIT 1000",
    "mergeTreeIndex": "SELECT * FROM mergeTreeIndex('telemetry', 'spans_raw')",
    "mergeTreeProjection": "SELECT * FROM mergeTreeProjection('telemetry', 'spans_raw', 'p')",
    "mergeTreeAnalyzeIndexes": "SELECT * FROM mergeTreeAnalyzeIndexes('telemetry', 'spans_raw')",
    "dictionary function": "SELECT * FROM dictionary('telemetry.tenant')",
    "dictionary as a table": "SELECT * FROM telemetry.tenant",
    "dictGet": "SELECT dictGet('telemetry.tenant', 'retention_days', concat('glo', 'bex'))",
    "dictGetOrDefault": "SELECT dictGetOrDefault('telemetry.tenant', 'retention_days', concat('glo', 'bex'), 0)",
    "dictHas": "SELECT dictHas('telemetry.tenant', concat('glo', 'bex'))",
    "remote": f"SELECT * FROM remote('127.0.0.1', {S})",
    "cluster": f"SELECT * FROM cluster('default', {S})",
    "url": "SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a String')",
    "describe url": "DESCRIBE TABLE url('http://127.0.0.1:1/')",
    "file": "SELECT * FROM file('/etc/passwd', 'TSV', 'a String')",
    "file()": "SELECT file('/etc/passwd')",
    "parts": "SELECT * FROM system.parts",
    "sizes": "SELECT name, total_rows, total_bytes FROM system.tables",
    "columns' sizes": "SELECT name, data_compressed_bytes FROM system.columns",
    "processes": "SELECT query FROM system.processes",
    "query_log": "SELECT query FROM system.query_log",
    "query_cache": "SELECT * FROM system.query_cache",
    "row policies": "SELECT * FROM system.row_policies",
    "users": "SELECT * FROM system.users",
    "kafka": "SELECT * FROM system.kafka_consumers",
    "dictionaries": "SELECT * FROM system.dictionaries",
    "information_schema": "SELECT * FROM information_schema.tables",
    "show processlist": "SHOW PROCESSLIST",
    "show users": "SHOW USERS",
    "show grants": "SHOW GRANTS FOR default",
    "show create user": "SHOW CREATE USER default",
    "show create": "SHOW CREATE TABLE telemetry.dead_letters",
    "explain": f"EXPLAIN indexes = 1 SELECT * FROM {S}",
    "explain estimate": f"EXPLAIN ESTIMATE SELECT * FROM {S}",
    "another user": "EXECUTE AS default SELECT 1",
    "another reader": f"EXECUTE AS `reader-{OTHER}` SELECT 1",
    "two statements": f"SELECT 1; SELECT * FROM {S}",
    "insert": f"INSERT INTO {S} (tenant_id) VALUES ('acme')",
    "create": "CREATE TABLE telemetry.t (a UInt8) ENGINE = Memory",
    "view": f"CREATE VIEW telemetry.v AS SELECT * FROM {S}",
    "temporary table": f"CREATE TEMPORARY TABLE t AS SELECT * FROM {S}",
    "alter": f"ALTER TABLE {S} DELETE WHERE 1",
    "optimize": f"OPTIMIZE TABLE {S} FINAL",
    "system": "SYSTEM FLUSH LOGS",
    "kill": "KILL QUERY WHERE 1",
    "settings": f"SELECT count() FROM {S} SETTINGS max_threads = 1",
    "set": "SET use_query_condition_cache = 1",
    "filters": f"SELECT count() FROM {S} SETTINGS additional_table_filters = {{'telemetry.spans_raw': '1'}}",
    "policy after final": f"SELECT * FROM {S} FINAL SETTINGS apply_row_policy_after_final = 1",
    "offset in the part": f"SELECT max(_part_offset) FROM {S}",
    "quoted offset": f'SELECT max("_part_offset") FROM {S}',
    "part's name": f"SELECT _part FROM {S}",
    "the table itself": "SELECT * FROM telemetry.spans_raw",
    "the table, quoted": 'SELECT * FROM "telemetry"."spans_raw"',
    "the table in a set": "SELECT 1 WHERE 'a' IN (SELECT operation FROM `telemetry` /* x */ . spans_raw)",
    "offset by pattern": f"SELECT COLUMNS('zzz'), _part_starting_offset FROM {S}",
    "columns by name": "SELECT hasColumnInTable('telemetry', 'kafka_spans', '_offset')",
    "outfile": f"SELECT * FROM {S} INTO OUTFILE '/tmp/x'",
}


LEAKS = {
    "cast": "SELECT toUInt64(operation) FROM {table}",
    "cast in prewhere": "SELECT 1 FROM {table} PREWHERE toUInt64(operation) = 1",
    "cast in where": "SELECT 1 FROM {table} WHERE toUInt64(service_name) = 1",
    "cast of the key": "SELECT 1 FROM {table} WHERE toUInt64(tenant_id) = 1",
    "date of the key": "SELECT 1 FROM {table} WHERE toDate(tenant_id) = '2020-01-01'",
    "throw on a name": "SELECT throwIf(operation = concat('x', 'yzzy')) FROM {table}",
    "throw on a name in where": "SELECT 1 FROM {table} WHERE throwIf(operation = concat('x', 'yzzy')) = 0",
    "throw on keys": "SELECT throwIf(arrayExists(k -> k = concat('x', 'yzzy'), mapKeys(attributes))) FROM {table}",
    "cast of what is not mine": "SELECT toUInt64(replaceRegexpAll(operation, '^(mine|svc-.|model|tool|step|planner|)$', '1')) FROM {table}",
    "throw": "SELECT throwIf(tenant_id != 'acme') FROM {table}",
    "throw in where": "SELECT 1 FROM {table} WHERE throwIf(tenant_id != 'acme') = 0",
    "throw in prewhere": "SELECT 1 FROM {table} PREWHERE throwIf(tenant_id != 'acme') = 0",
    "throw in a subquery": "SELECT * FROM (SELECT * FROM {table}) WHERE throwIf(tenant_id != 'acme') = 0",
    "throw on a text": "SELECT 1 FROM {table} WHERE throwIf(position(operation, substring(concat('x', 'yzzy'), 1)) > 0) = 0",
    "division": "SELECT intDiv(1, tenant_id = 'acme') FROM {table}",
    "aggregate": "SELECT groupArray(operation) FROM {table}",
    "extremes": "SELECT min(operation), max(operation), any(service_name), anyLast(agent_name) FROM {table}",
    "distinct": "SELECT DISTINCT operation, service_name FROM {table}",
    "limit by": "SELECT operation FROM {table} LIMIT 1 BY operation",
    "top": "SELECT topK(100)(operation) FROM {table}",
    "totals": "SELECT operation, count() FROM {table} GROUP BY operation WITH TOTALS",
    "rollup": "SELECT operation, count() FROM {table} GROUP BY operation WITH ROLLUP",
    "by trace": "SELECT * FROM {table} WHERE trace_id IN (lower(hex(concat('xy', 'zzy-trace\\0\\0\\0\\0\\0'))), concat('xy', 'zzy-trace'))",
    "except": "SELECT operation FROM {table} EXCEPT SELECT 'x'",
    "paths": "SELECT distinctJSONPaths(attributes_json) FROM {table}",
    "self join": "SELECT a.operation, b.operation FROM {table} AS a FULL JOIN {table} AS b ON a.trace_id = b.trace_id",
}


def relation(name: str, database: str = "telemetry_tenant") -> str:
    """How it is read in a query."""
    parameters = "(from = now() - 86400, to = now() + 86400)" if name.startswith("runs_between") else ""
    return f"{database}.{name}{parameters}"

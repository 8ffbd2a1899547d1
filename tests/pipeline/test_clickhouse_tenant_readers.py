"""`reader-<tenant>` sees the rows of its tenant alone: in every table and view that it may read, and by no way round."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from infra.clickhouse import connect
from infra.endpoints import ClickHouseAddress, Direct
from infra.errors import UserError
from infra.local.clickhouse.component import ClickHouseArgs, config_files
from infra.settings import parse_settings
from tests.pipeline.clickhouse_front import Answer, Front
from tests.pipeline.worker_world import apply_schema, client_of, deliver, make_spans

READER, TENANT, OTHER = "reader-acme", "acme", "globex"
SECRET = "xyzzy"
"""Stands in every text of the other tenant's rows, and in no query."""
FILL = [
    "INSERT INTO telemetry.spans_in (tenant_id, service_name, operation, agent_name, start_ts, end_ts, trace_id, span_id, "
    "attributes, events, content, topic, partition, offset, ingest_ts) SELECT '{tenant}', '{text}', '{text}', '{text}', "
    "now64(9), now64(9), '{text}-trace', '{text}', map('key', '{text}', '{text}', '{text}'), [(now64(9), '{text}', map('key', '{text}'))], "
    "[('gen_ai.prompt', '{text}')], 'otel-spans', 0, {offset}, now64(3)",
    "INSERT INTO telemetry.logs_in (tenant_id, event_type, source, event_ts, payload_json, topic, partition, offset, "
    "ingest_ts) SELECT '{tenant}', '{text}', 'log', now64(9), '{text}', 'otel-events', 0, {offset}, now64(3)",
    "INSERT INTO telemetry.rollup_generations SELECT '{tenant}', toStartOfMinute(now() - 86400), 7, now64(3)",
    "INSERT INTO telemetry.tenants (tenant_id, retention_days, keep_content) VALUES ('{tenant}', 7, true)",
    "INSERT INTO telemetry.dead_letters VALUES ('otel-spans', 0, {offset}, now64(3), now64(3), '{text}', '{text}')",
    "INSERT INTO telemetry.backfills (backfill_id, tenant_id) VALUES ('{text}', '{tenant}')",
]


@pytest.fixture(scope="module", name="front")
def front_with_two_tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A ClickHouse with the whole schema and rows of two tenants."""
    front = Front(tmp_path_factory.mktemp("front"), readers=(TENANT, OTHER))
    front.start()
    with client_of(front.port) as client:
        apply_schema(client)
        deliver(client, make_spans(300, 3, datetime.now(UTC) - timedelta(hours=1), (TENANT, OTHER)))
        for offset, (tenant, text) in enumerate([(TENANT, "mine"), (OTHER, SECRET)]):
            for statement in FILL:
                client.command(statement.format(tenant=tenant, text=text, offset=offset))
        client.command("SYSTEM RELOAD DICTIONARIES")
    yield front
    front.stop()


@pytest.fixture(name="client")
def operator(front: Front) -> Iterator[Client]:
    with client_of(front.port) as client:
        yield client


def granted(front: Front, database: str = "telemetry_tenant") -> list[str]:
    """What the reader may read, by users.xml."""
    user = ElementTree.parse(front.folder / "users.xml").find(f"users/{READER}")
    assert user is not None
    grants = [str(grant.text) for grant in user.iterfind("grants/query")]
    return [grant.rsplit(".", 1)[1] for grant in grants if grant.startswith(f"GRANT SELECT ON {database}.")]


def ask(front: Front, sql: str, user: str = READER, **query: str) -> Answer:
    return front.post(sql, user=user, **query)


def relation(name: str, database: str = "telemetry_tenant") -> str:
    """How it is read in a query."""
    parameters = "(from = now() - 86400, to = now() + 86400)" if name == "runs_between" else ""
    return f"{database}.{name}{parameters}"


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


@pytest.mark.parametrize("form", FORMS)
def test_what_it_may_read_shows_its_rows_alone_in_every_form(front: Front, client: Client, form: str):
    for name in granted(front):
        answer = ask(front, FORMS[form].format(table=relation(name)))
        if answer.status != 200:
            # A view takes neither PREWHERE nor FINAL.
            assert form in ("prewhere", "final") and SECRET not in answer.text and OTHER not in answer.text, answer.text
            continue
        own = client.query(f"SELECT count() FROM {relation(name)} WHERE tenant_id = '{TENANT}'").result_rows[0][0]
        total = client.query(f"SELECT count() FROM {relation(name)}").result_rows[0][0]
        assert 0 < own < total, f"{name} holds rows of both tenants"
        assert [float(value) for value in answer.text.split()] == [own, 0], name


def test_all_of_a_table_read_at_once_holds_nothing_of_the_other(front: Front):
    for name in granted(front):
        answer = ask(front, f"SELECT * FROM {relation(name)} FORMAT JSONEachRow")
        assert answer.status == 200 and f'"tenant_id":"{TENANT}"'.encode() in answer.data
        assert SECRET.encode() not in answer.data and OTHER.encode() not in answer.data, name


def test_each_reader_sees_its_own(front: Front):
    seen = "SELECT groupUniqArray(tenant_id) FROM spans"
    assert [front.sql(seen, user=f"reader-{tenant}").strip() for tenant in (TENANT, OTHER)] == [
        "['acme']",
        "['globex']",
    ]
    assert SECRET in front.sql("SELECT * FROM events", user=f"reader-{OTHER}")


def test_everything_else_is_closed(front: Front, client: Client):
    """By the front whatever is in telemetry; by the engine itself all but what the views read from."""
    names = client.query("SELECT name FROM system.tables WHERE database = 'telemetry'").result_rows
    every, beneath = {row[0] for row in names}, set(granted(front, "telemetry"))
    assert beneath < every
    assert {"dead_letters", "tenants", "tenant", "model_price", "spans_raw_mv", "spans_in"} <= every - beneath
    for name in sorted(every):
        for sql in (f"SELECT * FROM telemetry.`{name}`", f'SELECT * FROM "telemetry" . {name}'):
            answer = ask(front, sql)
            assert answer.headers.get("X-ClickHouse-Exception-Code") == "497", (name, answer.text)
    assert ask(front, "SELECT 1 FROM spans_raw", database="telemetry").headers["X-ClickHouse-Exception-Code"] == "497"
    for name in sorted(every - beneath):
        answer = front.post(f"EXECUTE AS `{READER}` SELECT * FROM telemetry.`{name}`")
        assert "Not enough privileges" in answer.text, (name, answer.text)


def test_the_filter_holds_in_every_table_beneath_the_views(front: Front, client: Client):
    for name in granted(front, "telemetry"):
        sql = f"SELECT count(), countIf(tenant_id != '{TENANT}') FROM {relation(name, 'telemetry')}"
        (own,) = client.query(f"{sql} WHERE tenant_id = '{TENANT}'").result_rows
        (every,) = client.query(sql).result_rows
        seen = front.sql(f"EXECUTE AS `{READER}` {sql}").split()
        assert [int(value) for value in seen] == list(own) and own[0] < every[0], name


def test_no_column_shares_a_dictionary_with_other_tenants(front: Front, client: Client):
    """Functions run over a LowCardinality column's dictionary, which holds values of rows that the filter took out."""
    for name in granted(front):
        types = {row[0]: row[1] for row in client.query(f"DESCRIBE (SELECT * FROM {relation(name)})").result_rows}
        assert types and not [column for column, kind in types.items() if "LowCardinality" in kind]
        assert not {"topic", "partition", "offset"} & types.keys()


def test_whatever_stores_a_tenants_rows_is_fenced(front: Front, client: Client):
    """A table that a later migration adds must be named in users.xml, so that no later grant opens it."""
    stored = client.query(
        "SELECT DISTINCT table FROM system.columns AS c INNER JOIN system.tables AS t "
        "ON c.database = t.database AND c.table = t.name WHERE c.database = 'telemetry' AND c.name = 'tenant_id' "
        "AND (t.engine LIKE '%MergeTree' OR t.engine = 'View')"
    ).result_rows
    user = ElementTree.parse(front.folder / "users.xml").find(f"users/{READER}/databases/telemetry")
    assert user is not None
    # A view with parameters has no row in system.columns.
    assert {row[0] for row in stored} == {node.tag for node in user} - {"runs_between"}


S = "telemetry_tenant.spans"
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
    "its tables": "SHOW TABLES FROM telemetry",
    "offset by pattern": f"SELECT COLUMNS('zzz'), _part_starting_offset FROM {S}",
    "columns by name": "SELECT hasColumnInTable('telemetry', 'kafka_spans', '_offset')",
    "outfile": f"SELECT * FROM {S} INTO OUTFILE '/tmp/x'",
}


@pytest.mark.parametrize("way", WAYS_ROUND)
def test_a_way_round_is_closed(front: Front, way: str):
    answer = ask(front, WAYS_ROUND[way])
    assert answer.status != 200, answer.text
    assert SECRET not in answer.text and OTHER not in answer.text.replace(WAYS_ROUND[way], "").replace(
        f"reader-{OTHER}", ""
    )


@pytest.mark.parametrize("setting", ["readonly", "max_rows_to_read", "use_query_cache", "apply_row_policy_after_final"])
def test_its_profile_is_not_lifted_by_the_address(front: Front, setting: str):
    answer = ask(front, "SELECT 1", **{setting: "0" if setting in ("readonly", "max_rows_to_read") else "1"})
    limits = ask(front, "SELECT getSetting('readonly'), getSetting('max_rows_to_read'), getSetting('use_query_cache')")
    assert answer.headers.get("X-ClickHouse-Exception-Code") == "164" or setting == "readonly"
    assert limits.text.split() == ["1", "5000000000", "false"] or limits.text.split() == ["1", "5000000000", "0"]


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


@pytest.fixture(scope="module")
def merged(front: Front) -> None:
    """Rows of both tenants in one part, with one dictionary."""
    for table in ("spans_raw", "events_raw", "content", "spans_minute_data"):
        front.sql(f"OPTIMIZE TABLE telemetry.{table} FINAL")


@pytest.mark.usefixtures("merged")
@pytest.mark.parametrize("table", ["spans", "events", "content", "spans_minute"])
@pytest.mark.parametrize("leak", LEAKS)
def test_no_row_of_the_other_reaches_an_expression(front: Front, leak: str, table: str):
    """The filter comes first: what throws on the other's rows does not throw, and what prints values prints its own."""
    column = {"events": "event_type", "content": "text"}.get(table, "operation")
    answer = ask(front, LEAKS[leak].replace("operation", column).format(table=relation(table)))
    assert SECRET.encode() not in answer.data, answer.data
    if answer.status != 200:
        # A view takes no PREWHERE; not every one has every column; casts of its own texts fail.
        known = ("ILLEGAL_PREWHERE", "UNKNOWN_IDENTIFIER", "UNION_ALL_RESULT_STRUCTURES_MISMATCH")
        assert any(word in answer.text for word in known) or leak.startswith(("cast", "date")), answer.text
        assert "throwIf' function is non-zero" not in answer.text, answer.text


@pytest.mark.usefixtures("merged")
def test_the_shared_dictionary_is_what_these_views_keep_out(front: Front):
    """The engine's way round that they are for: without them a filtered column tells of rows that are not there."""
    throwing = f"EXECUTE AS `{READER}` SELECT throwIf(operation = '{SECRET}') FROM "
    assert front.post(throwing + "telemetry.spans_raw").status == 500
    assert front.post(throwing + "telemetry_tenant.spans").status == 200


def test_a_count_needs_no_rows_and_is_its_own_all_the_same(front: Front, client: Client):
    """Counts and extremes that a server answers from parts' headers, when no filter stands in between."""
    sql = "SELECT count(), min(start_ts), max(start_ts) FROM telemetry_tenant.spans"
    own = client.query(f"{sql} WHERE tenant_id = '{TENANT}'").result_rows[0]
    every = client.query(sql).result_rows[0]
    with connect(ClickHouseAddress("127.0.0.1", front.port, READER), Direct()) as reader:
        assert reader.query(sql).result_rows[0] == own != every


def test_an_answer_does_not_say_how_much_was_read(front: Front):
    sql = "SELECT count() FROM telemetry_tenant.spans"
    assert '"read_rows": "0"' in ask(front, sql).headers["X-ClickHouse-Summary"]
    assert '"read_rows": "0"' not in front.post(sql).headers["X-ClickHouse-Summary"]
    statistics = ask(front, sql + " FORMAT JSON").text
    assert '"rows_read": 0' in statistics or "rows_read" not in statistics


def test_it_lists_what_it_may_read_and_nothing_else(front: Front):
    answer = ask(front, "SHOW TABLES")
    assert answer.status == 200 and set(answer.text.split()) == set(granted(front))


def test_a_tenants_name_that_users_xml_cannot_hold_is_refused():
    assert parse_settings({"tenantReaders": ["acme", "a-1_b"]}, "s").tenantReaders == ["acme", "a-1_b"]
    for name in ("a.b", "A", "", "a'b", "<x/>", "a" * 64):
        with pytest.raises(UserError, match="tenantReaders"):
            parse_settings({"tenantReaders": [name]}, "s")
    with pytest.raises(UserError, match="tenantReaders: a tenant stands in it twice"):
        parse_settings({"tenantReaders": ["acme", "acme"]}, "s")


def test_where_the_fence_would_have_a_hole_there_are_no_readers(tmp_path: Path):
    """A real server has no front that keeps a reader to its views; other platforms have no readers yet."""
    args = ClickHouseArgs(parse_settings({"tenantReaders": ["acme"]}, "s"), tmp_path / "run", tmp_path / "data")
    with pytest.raises(UserError, match=r"tenantReaders: found acme, .* server on PATH"):
        config_files(args, server=True)
    assert "reader-acme" in config_files(args, server=False)[tmp_path / "run/clickhouse/users.xml"]
    with pytest.raises(UserError, match="tenantReaders: only on platform local so far"):
        parse_settings({"platform": "aws", "tenantReaders": ["acme"]}, "s")

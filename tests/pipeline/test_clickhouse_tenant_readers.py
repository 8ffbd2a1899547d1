"""`reader-<tenant>` sees the rows of its tenant alone: in every table and view that it may read, and by no way round."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from infra.clickhouse import connect
from infra.endpoints import ClickHouseAddress, Direct, access_input
from infra.errors import UserError
from infra.local.clickhouse.users import read_users
from infra.postdeploy.tenant_views import TenantViewsProvider, reconcile, statements
from infra.settings import parse_settings
from infra.tenant_views import VIEWS, definer, reader, view_of
from tests.pipeline.clickhouse_front import Answer, Front
from tests.pipeline.reader_attacks import FILL, FORMS, LEAKS, OTHER, READER, SECRET, TENANT, WAYS_ROUND, relation
from tests.pipeline.worker_world import apply_schema, client_of, deliver, make_spans


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
        reconcile(client, statements([TENANT, OTHER]))
    yield front
    front.stop()


@pytest.fixture(name="client")
def operator(front: Front) -> Iterator[Client]:
    with client_of(front.port) as client:
        yield client


def granted(front: Front, user: str, database: str = "telemetry_tenant") -> list[str]:
    """What the user may read in the database, by users.xml."""
    found = ElementTree.parse(front.folder / "users.xml").find(f"users/{user}")
    assert found is not None
    grants = [str(grant.text) for grant in found.iterfind("grants/query")]
    return [grant.rsplit(".", 1)[1].strip("`") for grant in grants if grant.startswith(f"GRANT SELECT ON {database}.")]


def ask(front: Front, sql: str, user: str = READER, **query: str) -> Answer:
    return front.post(sql, user=user, **query)


@pytest.mark.parametrize("form", FORMS)
def test_what_it_may_read_shows_its_rows_alone_in_every_form(front: Front, client: Client, form: str):
    assert granted(front, READER) == [view_of(view, TENANT) for view in VIEWS]
    for name in VIEWS:
        answer = ask(front, FORMS[form].format(table=relation(view_of(name, TENANT))))
        if answer.status != 200:
            # A view takes neither PREWHERE nor FINAL.
            assert form in ("prewhere", "final") and SECRET not in answer.text and OTHER not in answer.text, answer.text
            continue
        own = client.query(f"SELECT count() FROM {relation(name)} WHERE tenant_id = '{TENANT}'").result_rows[0][0]
        total = client.query(f"SELECT count() FROM {relation(name)}").result_rows[0][0]
        assert 0 < own < total, f"{name} holds rows of both tenants"
        assert [float(value) for value in answer.text.split()] == [own, 0], name


def test_all_of_a_table_read_at_once_holds_nothing_of_the_other(front: Front):
    for name in granted(front, READER):
        answer = ask(front, f"SELECT * FROM {relation(name)} FORMAT JSONEachRow")
        assert answer.status == 200 and f'"tenant_id":"{TENANT}"'.encode() in answer.data
        assert SECRET.encode() not in answer.data and OTHER.encode() not in answer.data, name


def test_each_reader_sees_its_own(front: Front):
    seen = "SELECT groupUniqArray(tenant_id) FROM {}"
    for tenant in (TENANT, OTHER):
        own = front.sql(seen.format(view_of("spans", tenant)), user=reader(tenant))
        assert own.strip() == f"['{tenant}']"
    assert SECRET in front.sql(f"SELECT * FROM {view_of('events', OTHER)}", user=reader(OTHER))


def test_everything_else_is_closed(front: Front, client: Client):
    """By the engine itself, whether the front has let it through or not: all but the reader's own views."""
    rows = client.query(
        "SELECT database, name FROM system.tables WHERE database IN ('telemetry', 'telemetry_tenant')"
    ).result_rows
    every = {f"{database}.`{name}`" for database, name in rows}
    own = {f"telemetry_tenant.`{name}`" for name in granted(front, READER)}
    assert own < every and f"telemetry_tenant.`{view_of('spans', OTHER)}`" in every
    assert "telemetry.`spans_raw_mv`" in every
    for name in sorted(every - own):
        sql = f"SELECT * FROM {name}"
        if "runs_between" in name:
            sql = f"SELECT tenant_id FROM {name}(from = now() - 86400, to = now() + 86400)"
        for answer in (ask(front, sql), front.post(f"EXECUTE AS `{READER}` {sql}")):
            assert answer.headers.get("X-ClickHouse-Exception-Code") == "497", (name, answer.text)
            assert "Not enough privileges" in answer.text, (name, answer.text)
    assert ask(front, "SELECT 1 FROM spans_raw", database="telemetry").headers["X-ClickHouse-Exception-Code"] == "497"


def test_nobody_signs_in_as_a_definer(front: Front):
    assert read_users(front.folder / "users.xml")[definer(TENANT)].networks == ()
    for password in ("", "0" * 64):
        answer = ask(front, "SELECT 1", definer(TENANT), password=password)
        assert answer.headers["X-ClickHouse-Exception-Code"] == "516"


def test_the_filter_holds_in_every_table_beneath_the_views(front: Front, client: Client):
    for name in granted(front, definer(TENANT), "telemetry"):
        sql = f"SELECT count(), countIf(tenant_id != '{TENANT}') FROM {relation(name, 'telemetry')}"
        (own,) = client.query(f"{sql} WHERE tenant_id = '{TENANT}'").result_rows
        (every,) = client.query(sql).result_rows
        seen = front.sql(f"EXECUTE AS `{definer(TENANT)}` {sql}").split()
        assert [int(value) for value in seen] == list(own) and own[0] < every[0], name


def test_no_merge_puts_rows_of_two_tenants_into_one(client: Client):
    """FINAL and merges blend rows whose sort keys are equal, whatever a filter takes out."""
    stored = client.query(
        "SELECT name, sorting_key FROM system.tables WHERE database = 'telemetry' AND match(engine, '(Replacing|Aggregating|"
        "Summing)MergeTree') AND name IN (SELECT table FROM system.columns WHERE database = 'telemetry' AND name = 'tenant_id')"
    ).result_rows
    assert {"spans_raw", "spans_minute_data", "trace_index"} <= {name for name, _ in stored}
    assert not [name for name, key in stored if "tenant_id" not in key.split(", ")]


def test_no_column_shares_a_dictionary_with_other_tenants(front: Front, client: Client):
    """Functions run over a LowCardinality column's dictionary, which holds values of rows that the filter took out."""
    for name in granted(front, READER):
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
    user = ElementTree.parse(front.folder / "users.xml").find(f"users/{definer(TENANT)}/databases/telemetry")
    assert user is not None
    # A view with parameters has no row in system.columns.
    assert {row[0] for row in stored} == {node.tag for node in user} - {"runs_between"}


@pytest.mark.parametrize("way", WAYS_ROUND)
def test_a_way_round_is_closed(front: Front, way: str):
    answer = ask(front, WAYS_ROUND[way])
    assert answer.status != 200, answer.text
    assert SECRET not in answer.text and OTHER not in answer.text.replace(WAYS_ROUND[way], "").replace(
        reader(OTHER), ""
    )


@pytest.mark.parametrize("setting", ["readonly", "max_rows_to_read", "use_query_cache", "apply_row_policy_after_final"])
def test_its_profile_is_not_lifted_by_the_address(front: Front, setting: str):
    answer = ask(front, "SELECT 1", **{setting: "0" if setting in ("readonly", "max_rows_to_read") else "1"})
    limits = ask(front, "SELECT getSetting('readonly'), getSetting('max_rows_to_read'), getSetting('use_query_cache')")
    assert answer.headers.get("X-ClickHouse-Exception-Code") == "164" or setting == "readonly"
    assert limits.text.split() == ["1", "5000000000", "false"] or limits.text.split() == ["1", "5000000000", "0"]


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
    answer = ask(front, LEAKS[leak].replace("operation", column).format(table=relation(view_of(table, TENANT))))
    assert SECRET.encode() not in answer.data, answer.data
    if answer.status != 200:
        # A view takes no PREWHERE; not every one has every column; casts of its own texts fail.
        known = ("ILLEGAL_PREWHERE", "UNKNOWN_IDENTIFIER", "UNION_ALL_RESULT_STRUCTURES_MISMATCH")
        assert any(word in answer.text for word in known) or leak.startswith(("cast", "date")), answer.text
        assert "throwIf' function is non-zero" not in answer.text, answer.text


@pytest.mark.usefixtures("merged")
def test_the_shared_dictionary_is_what_these_views_keep_out(front: Front):
    """The engine's way round that they are for: without them a filtered column tells of rows that are not there."""
    throwing = f"EXECUTE AS `{definer(TENANT)}` SELECT throwIf(operation = '{SECRET}') FROM "
    assert front.post(throwing + "telemetry.spans_raw").status == 500
    assert front.post(throwing + "telemetry_tenant.spans").status == 200
    assert ask(front, f"SELECT throwIf(operation = '{SECRET}') FROM {view_of('spans', TENANT)}").status == 200


def test_a_count_needs_no_rows_and_is_its_own_all_the_same(front: Front, client: Client):
    """Counts and extremes that a server answers from parts' headers, when no filter stands in between."""
    sql = "SELECT count(), min(start_ts), max(start_ts) FROM telemetry_tenant."
    own = client.query(f"{sql}spans WHERE tenant_id = '{TENANT}'").result_rows[0]
    every = client.query(f"{sql}spans").result_rows[0]
    with connect(ClickHouseAddress("127.0.0.1", front.port, READER), Direct()) as signed_in:
        assert signed_in.query(sql + view_of("spans", TENANT)).result_rows[0] == own != every


def test_an_answer_does_not_say_how_much_was_read(front: Front):
    sql = f"SELECT count() FROM telemetry_tenant.{view_of('spans', TENANT)}"
    assert '"read_rows": "0"' in ask(front, sql).headers["X-ClickHouse-Summary"]
    assert '"read_rows": "0"' not in front.post(sql).headers["X-ClickHouse-Summary"]
    statistics = ask(front, sql + " FORMAT JSON").text
    assert '"rows_read": 0' in statistics or "rows_read" not in statistics


def test_it_lists_what_it_may_read_and_nothing_else(front: Front):
    answer = ask(front, "SHOW TABLES")
    assert answer.status == 200 and set(answer.text.split()) == set(granted(front, READER))
    assert ask(front, "SHOW TABLES FROM telemetry").text == ""


def test_a_tenants_name_that_users_xml_cannot_hold_is_refused():
    assert parse_settings({"tenantReaders": ["acme", "a-1_b"]}, "s").tenantReaders == ["acme", "a-1_b"]
    for name in ("a.b", "A", "", "a'b", "<x/>", "a" * 64):
        with pytest.raises(UserError, match="tenantReaders"):
            parse_settings({"tenantReaders": [name]}, "s")
    with pytest.raises(UserError, match="tenantReaders: a tenant stands in it twice"):
        parse_settings({"tenantReaders": ["acme", "acme"]}, "s")


def open_to_all(name: str) -> str:
    return f"CREATE OR REPLACE VIEW telemetry_tenant.{name} SQL SECURITY NONE AS SELECT * FROM telemetry.spans_raw"


@pytest.mark.parametrize(
    "by_hand",
    [
        f"DROP VIEW telemetry_tenant.{view_of('events', TENANT)}",
        open_to_all(view_of("spans", TENANT)),
        open_to_all(view_of("spans", "someone")),
    ],
)
def test_a_view_that_hands_have_changed_is_found_by_a_refresh_and_put_right(front: Front, client: Client, by_hand: str):
    address = {"host": "127.0.0.1", "port": front.port, "user": "default", "secure": False}
    provider = TenantViewsProvider()
    props = {
        "views": statements([TENANT, OTHER]),
        "schema": {"0001": "x"},
        "clickhouse": address,
        "clickhouse_access": access_input(Direct),
        "kept": None,
    }
    made = provider.create(props).outs or {}
    seen = provider.read("tenant-views", made).outs or {}
    assert seen == made and not provider.diff("tenant-views", seen, props).changes
    assert provider.diff("tenant-views", made, {**props, "schema": {"0001": "x", "0002": "y"}}).changes, (
        "a view keeps the columns that it was made with"
    )
    client.command(by_hand)
    seen = provider.read("tenant-views", made).outs or {}
    assert provider.diff("tenant-views", seen, props).changes
    assert provider.update("tenant-views", seen, props).outs == made
    assert provider.read("tenant-views", made).outs == made


def test_without_any_tenant_every_view_goes_and_those_beneath_stay(front: Front, client: Client):
    address = {"host": "127.0.0.1", "port": front.port, "user": "default", "secure": False}
    TenantViewsProvider().delete("", {"clickhouse": address, "clickhouse_access": access_input(Direct)})
    left = client.query("SELECT name FROM system.tables WHERE database = 'telemetry_tenant'").result_rows
    assert {row[0] for row in left} == set(VIEWS)
    gone = {"clickhouse": {**address, "port": 1}, "clickhouse_access": access_input(Direct)}
    TenantViewsProvider().delete("", gone)
    reconcile(client, statements([TENANT, OTHER]))


def test_a_view_s_name_says_whose_it_is():
    """So no tenant's view is another's, or one of those beneath, whatever tenants are called."""
    assert not [view for view in VIEWS if "_of_" in view]


def test_who_is_taken_out_of_the_setting_loses_user_and_views(tmp_path: Path):
    """Users go first, as on AWS: without its definer a view is closed, and it can still be dropped."""
    front = Front(tmp_path, readers=(TENANT, OTHER))
    front.start()
    with client_of(front.port) as client:
        apply_schema(client)
        reconcile(client, statements([TENANT, OTHER]))
    assert front.stop() == 0
    front.readers = (TENANT,)
    front.start()
    try:
        left = f"telemetry_tenant.{view_of('spans', OTHER)}"
        assert ask(front, "SELECT 1", reader(OTHER)).headers["X-ClickHouse-Exception-Code"] == "516"
        assert "definer-globex" in front.post(f"SELECT * FROM {left}").text
        with client_of(front.port) as client:
            assert set(reconcile(client, statements([TENANT]))) == set(statements([TENANT]))
        assert ask(front, f"SELECT count() FROM {view_of('spans', TENANT)}").text == "0\n"
    finally:
        front.stop()

"""`telemetry retention` in a real engine: what it says comes true, and no figure changes by it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from clickhouse_connect.driver.client import Client

from infra.endpoints import KafkaAddress
from infra.postdeploy.retention import desired_statements, reconcile
from infra.schema import template_values
from infra.settings import parse_settings
from infra.tenant_retention.rewrite import rewrite, work
from infra.worker.audit import audit
from infra.worker.backfill import backfill
from infra.worker.keys import Key
from infra.worker.repair import raw_retention, repair
from infra.worker.steps import Recompute
from tests.pipeline.clickhouse_front import Front
from tests.pipeline.live import differences
from tests.pipeline.retention_world import DAYS, EVENTS, Retention, days_ago, events, kept, mutations, spans_of_days
from tests.pipeline.worker_front import client_of_empty_tables, front_with_the_schema  # noqa: F401
from tests.pipeline.worker_world import Span, again, client_of, deliver, expected, make_spans, rows, shown


@pytest.fixture(autouse=True)
def without_history(client: Client) -> None:
    for table in ("tenants", "retention_changes", "events_raw"):
        client.command(f"TRUNCATE TABLE telemetry.{table}")
    for table, _ in mutations(client):
        client.command(f"KILL MUTATION WHERE table = '{table}' AND NOT is_done")


@pytest.fixture
def retention(front: Front, monkeypatch: pytest.MonkeyPatch) -> Retention:
    return Retention(monkeypatch, front)


@pytest.fixture
def spans(client: Client) -> Iterator[list[Span]]:
    """Rows of two tenants and three days, all with the stack's stamp; background work goes on afterwards."""
    found = spans_of_days()
    for days, block in zip(DAYS, found, strict=True):
        deliver(client, block)
        for tenant in ("acme", "globex"):
            events(client, tenant, days, 0)
    yield [span for block in found for span in block]
    client.command("SYSTEM START MERGES telemetry.spans_raw")


def past(spans: list[Span], days: int) -> int:
    return sum(span.tenant_id == "acme" and span.start < days_ago(days) + timedelta(hours=2) for span in spans)


def test_a_shorter_term_deletes_what_is_past_it_as_it_said_and_no_figure_changes(
    client: Client, retention: Retention, spans: list[Span]
):
    retention.up({"acme": 10}, client)
    by_tenant = Counter(span.tenant_id for span in spans)
    asked = json.loads(retention("apply", "acme", "--dry-run", "--json").stdout)
    told = {item["table"]: item for item in asked["work"]}
    assert (told["spans_raw"]["rows"], told["spans_raw"]["past"]) == (by_tenant["acme"], past(spans, 10))
    assert (told["events_raw"]["rows"], told["events_raw"]["past"]) == (3 * EVENTS, EVENTS)
    assert told["spans_raw"]["parts"] >= 3 and told["spans_raw"]["part_bytes"] > told["spans_raw"]["past_bytes"] > 0
    assert kept(client) == {(tenant, 0): count for tenant, count in by_tenant.items()}, "a dry run changes nothing"
    done = retention("apply", "acme", "--yes")
    assert done.exit_code == 0, done.output
    assert (
        "spans_raw" in done.stdout and f"{by_tenant['acme']:,}" in done.stdout and f"{past(spans, 10):,}" in done.stdout
    )
    assert kept(client) == {("acme", 10): by_tenant["acme"] - past(spans, 10), ("globex", 0): by_tenant["globex"]}
    assert kept(client, "events_raw") == {("acme", 10): 2 * EVENTS, ("globex", 0): 3 * EVENTS}
    assert shown(client) == expected(spans)
    assert "nothing to do" in retention("apply", "acme").stdout, "the second time"


def test_stored_parts_expire_by_the_new_term_from_then_on(client: Client, retention: Retention, spans: list[Span]):
    retention.up({"acme": 400, "globex": 400}, client)
    for tenant in ("acme", "globex"):
        assert retention("apply", tenant, "--yes").exit_code == 0
    query = "SELECT min(delete_ttl_info_min) > now() + INTERVAL 370 DAY FROM system.parts WHERE active AND table = %s"
    for table in ("'spans_raw'", "'events_raw'"):
        assert rows(client, query % table) == [(1,)]


def test_what_was_taken_back_to_the_stack_s_days_is_stamped_so(client: Client, retention: Retention):
    block = make_spans(200, 5, days_ago(5), ["acme"])
    retention.up({"acme": 30}, client)
    deliver(client, block, stamp=30)
    retention.up({}, client)
    assert retention("apply", "acme", "--yes").exit_code == 0
    assert kept(client) == {("acme", 0): 200}


def test_a_tenant_s_name_is_a_value(client: Client, retention: Retention):
    odd = "o'd\\d\n😀"
    deliver(client, make_spans(100, 5, days_ago(1), [odd, "acme"]))
    stored = kept(client)
    retention.up({odd: 9}, client)
    assert retention("apply", odd, "--yes").exit_code == 0
    assert kept(client) == {(odd, 9): stored[odd, 0], ("acme", 0): stored["acme", 0]}


def test_a_rewrite_that_runs_is_followed_and_not_begun_again(
    client: Client, front: Front, retention: Retention, spans: list[Span]
):
    retention.up({"acme": 10}, client)
    client.command("SYSTEM STOP MERGES telemetry.spans_raw")
    todo = work(client, "acme", 10)

    def stop(table: str, done: int, total: int) -> None:
        assert (table, done) == ("spans_raw", 0) and total >= 3
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rewrite(client, "acme", 10, todo, stop)
    running = work(client, "acme", 10)
    assert [item.running for item in running] == [True, False]
    seen: list[tuple[str, int, int]] = []
    going = threading.Event()

    def watch(table: str, done: int, total: int) -> None:
        seen.append((table, done, total))
        going.set()

    def follow() -> None:
        with client_of(front.port) as own:
            assert rewrite(own, "acme", 10, running, watch) == {}

    thread = threading.Thread(target=follow)
    thread.start()
    assert going.wait(30)
    client.command("SYSTEM START MERGES telemetry.spans_raw")
    thread.join(60)
    assert mutations(client)[-1] == ("spans_raw", 1)
    assert Counter(table for table, _ in mutations(client))["spans_raw"] == begun(client)
    assert seen[-1][0] == "events_raw" and seen[-1][1] == seen[-1][2]
    assert {stamp for tenant, stamp in kept(client) if tenant == "acme"} == {10}


def begun(client: Client) -> int:
    """How many of acme's rewrites to 10 days since the tables were emptied."""
    return len(
        rows(client, "SELECT mutation_id FROM system.mutations WHERE table = 'spans_raw' AND command LIKE '%acme%'")
    )


# --- the worker and what is gone


def test_what_a_rewrite_deleted_is_no_loss(client: Client, retention: Retention, spans: list[Span]):
    retention.up({"acme": 10}, client)
    retention("apply", "acme", "--yes")
    gone = {key for key in expected(spans) if key.tenant_id == "acme" and key.minute < days_ago(10).timestamp()}
    assert gone and set(repair(client, expected(spans)).expired) == gone
    backfill(client, days_ago(25), None)
    report = audit(client, [], repair=True, settle_seconds=0)
    assert report.ok, differences(report)
    assert shown(client) == expected(spans)


def test_a_longer_term_does_not_make_a_loss_of_what_the_shorter_one_deleted(client: Client, retention: Retention):
    """Late spans for minutes whose other rows are gone: by the new term alone these would be recomputed from the late ones."""
    old = make_spans(40, 2, days_ago(5), ["acme"], seed=2)
    deliver(client, old)
    assert set(repair(client, expected(old)).repaired) == set(expected(old))
    retention.up({"acme": 3}, client)
    client.command("DELETE FROM telemetry.spans_raw WHERE start_ts < now() - INTERVAL 3 DAY")  # as the TTL does
    deliver(client, make_spans(40, 2, days_ago(1), ["acme"], seed=3), stamp=3)
    retention.up({"acme": 90}, client)
    assert retention("apply", "acme", "--yes").exit_code == 0
    right = shown(client)
    deliver(client, again(make_spans(80, 2, days_ago(5), ["acme"], seed=4)), stamp=90)
    assert Recompute()(client).value == 0
    assert set(repair(client, expected(old)).expired) == set(expected(old))
    report = audit(client, [], repair=True, settle_seconds=0)
    assert report.ok, differences(report)
    assert shown(client) == right


DAY = 86_400
FLOORS = [
    ("it ended long ago: only what came before that day", [(10, False)], 9),
    ("it ended lately: rows with its stamp still go", [(2, False)], 3),
    ("and were rewritten then: no more went since", [(2, False), (1, True)], 4),
    ("a rewrite before it says nothing", [(3, True), (2, False)], 3),
    ("the later of two counts", [(10, False), (2, False)], 3),
]


@pytest.mark.parametrize(("changes", "days_old"), [row[1:] for row in FLOORS], ids=[row[0] for row in FLOORS])
def test_how_long_a_term_of_three_days_counts(client: Client, changes: list[tuple[int, bool]], days_old: int):
    for days, rewritten in changes:
        client.command(
            "INSERT INTO telemetry.retention_changes "
            f"VALUES ('acme', 3, now64(3) - toIntervalDay({days}), {str(rewritten).lower()})"
        )
    now = int(rows(client, "SELECT toUnixTimestamp(now())")[0][0])
    found = raw_retention(client)
    assert abs(found.floors["acme"] - (now - days_old * DAY)) < 60 and list(found.floors) == ["acme"]
    assert found.may_be_deleted(Key("acme", now - days_old * DAY - 60), now * 1000)
    assert not found.may_be_deleted(Key("acme", now - days_old * DAY + 120), now * 1000)
    assert not found.may_be_deleted(Key("globex", now - days_old * DAY - 60), now * 1000)


def test_a_rewrite_is_recorded_once_and_only_after_a_change(client: Client, retention: Retention):
    record = "SELECT countIf(rewritten) FROM telemetry.retention_changes"
    retention.up({"acme": 3}, client)
    deliver(client, make_spans(40, 2, days_ago(1), ["acme"]), stamp=3)
    retention("apply", "acme", "--yes")
    assert rows(client, record) == [(0,)]
    retention.up({"acme": 90}, client)
    for _ in range(2):
        assert retention("apply", "acme", "--yes").exit_code == 0
        assert rows(client, record) == [(1,)]


def test_a_load_that_changes_nothing_of_a_tenant_records_nothing(client: Client, retention: Retention):
    retention.up({"acme": 3, "globex": 5}, client)
    retention.up({"acme": 3}, client)
    retention.up({"acme": 3, "initech": 9}, client)
    changes = rows(client, "SELECT tenant_id, retention_days, rewritten FROM telemetry.retention_changes")
    assert changes == [("globex", 5, False)]


def test_longer_days_of_the_whole_stack_make_no_loss_either(client: Client):
    def days(number: int) -> None:
        settings = parse_settings({"retentionRawDays": number}, "test")
        values = json.dumps(template_values(settings, KafkaAddress("", ""), ""))
        assert reconcile(client, {"spans_raw": desired_statements(values)["spans_raw"]}) == ["spans_raw"]

    days(30)
    client.command("TRUNCATE TABLE telemetry.retention_changes")
    days(180)
    found = raw_retention(client)
    now = int(rows(client, "SELECT toUnixTimestamp(now())")[0][0])
    assert found.default_days == 180 and list(found.floors) == [""]
    assert found.may_be_deleted(Key("acme", now - 31 * DAY), now * 1000)
    assert not found.may_be_deleted(Key("acme", now - 29 * DAY), now * 1000)


def test_a_tenant_without_any_setting_needs_nothing(client: Client, retention: Retention):
    deliver(client, make_spans(40, 2, days_ago(1), ["acme"]))
    done = retention("apply", "acme")
    assert done.exit_code == 0 and "nothing to do" in done.stdout


# --- what is refused


def test_a_tenant_that_nobody_knows_is_refused_with_those_that_are(client: Client, retention: Retention):
    deliver(client, make_spans(40, 2, days_ago(1), ["acme"]))
    retention.up({"globex": 5}, client)
    for words in (("apply", "akme", "--yes"), ("show", "akme")):
        assert "Known: acme, globex" in retention.refused(*words)


def test_a_setting_that_no_up_has_brought_yet_is_refused(client: Client, retention: Retention):
    deliver(client, make_spans(40, 2, days_ago(1), ["acme"]))
    for wanted, words in (({"acme": 5}, "as long as the stack's"), ({}, "7 days")):
        retention.up({} if wanted else {"acme": 7}, client)
        retention.wanted = wanted
        refused = retention.refused("apply", "acme", "--yes")
        assert "Pulumi.local.yaml" in refused and words in refused and "telemetry up" in refused
    assert kept(client) == {("acme", 0): 40} and rows(client, CHANGED) == [(0,)]


CHANGED = "SELECT count() FROM telemetry.spans_raw WHERE retention_days != 0"


def test_without_a_terminal_it_wants_to_be_told(client: Client, retention: Retention):
    deliver(client, make_spans(40, 2, days_ago(1), ["acme"]))
    retention.up({"acme": 5}, client)
    for words in ((), ("--json",)):
        assert "--yes" in retention.refused("apply", "acme", *words)
    assert rows(client, CHANGED) == [(0,)]


def test_a_no_changes_nothing_and_a_yes_does_it(client: Client, retention: Retention, monkeypatch: pytest.MonkeyPatch):
    deliver(client, make_spans(40, 2, days_ago(1), ["acme"]))
    retention.up({"acme": 5}, client)
    monkeypatch.setattr("infra.cli.retention.asked", lambda: True)
    assert retention("apply", "acme", answer="n\n").exit_code == 1
    assert rows(client, CHANGED) == [(0,)]
    assert retention("apply", "acme", answer="y\n").exit_code == 0
    assert rows(client, CHANGED) == [(40,)]


# --- what is shown


def test_what_is_shown_is_what_is_stored(client: Client, retention: Retention, spans: list[Span]):
    retention.up({"acme": 10, "initech": 4}, client)
    told = json.loads(retention("show", "--json").stdout)
    assert told["stack_days"] == 180
    found = {item["tenant"]: item for item in told["tenants"]}
    assert found.keys() == {"acme", "globex", "initech"} and found["initech"]["stored"] == []
    (of_acme,), (of_globex,) = found["acme"]["stored"], found["globex"]["stored"]
    by_tenant = Counter(span.tenant_id for span in spans)
    assert (of_acme["stamped_days"], of_acme["spans"], of_acme["events"]) == (0, by_tenant["acme"], 3 * EVENTS)
    assert of_acme["differs"] and of_acme["past_if_applied"] == past(spans, 10) + EVENTS
    assert of_acme["bytes"] > of_acme["past_if_applied_bytes"] > 0 and of_acme["past"] == 0
    assert not of_globex["differs"] and of_globex["past_if_applied"] == 0
    # All bytes of all parts are somebody's.
    ((size,),) = rows(
        client, "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table IN ('spans_raw', 'events_raw')"
    )
    assert abs(of_acme["bytes"] + of_globex["bytes"] - size) < 100
    text = retention("show").stdout
    assert "telemetry retention apply acme" in text and "apply globex" not in text and "stack's 180" in text
    assert "globex" not in retention("show", "acme").stdout
    retention.wanted = {"acme": 12}
    assert "10 (file: 12)" in retention("show", "acme").stdout


def test_rows_past_their_stamp_wait_for_the_next_pass(client: Client, retention: Retention):
    client.command("SYSTEM STOP TTL MERGES telemetry.spans_raw")
    retention.up({"acme": 3}, client)
    deliver(client, make_spans(40, 2, days_ago(5), ["acme"]), stamp=3)
    (of_acme,) = json.loads(retention("show", "acme", "--json").stdout)["tenants"][0]["stored"]
    client.command("SYSTEM START TTL MERGES telemetry.spans_raw")
    assert (of_acme["past"], of_acme["differs"]) == (40, False)

"""The pipeline's own figures on dashboards: the loss ledger, lag, collectors and what a million spans cost, on crafted samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.dashboards.render.macros import View
from infra.postdeploy.stack_costs import cost_rows
from tests.pipeline.dashboard_world import (  # noqa: F401
    MODELS,
    World,
    oracle_of_the_workload,
    world_full_of_it,
    world_without_rows,
)

NOW = datetime.now(UTC).replace(microsecond=0)
TABLES = (
    "ingest_ledger",
    "span_keys",
    "log_keys",
    "collector_samples",
    "kafka_samples",
    "stack_costs",
    "spans_minute_data",
)


@pytest.fixture
def pipeline(empty: World) -> Iterator[World]:
    """Empty tables, and the last hour to look at."""
    view = replace(empty.view, start=NOW - timedelta(hours=1), end=NOW + timedelta(minutes=1), interval_s=60)
    yield World(empty.engine, view, view)
    for table in TABLES:
        empty.engine.query(f"TRUNCATE TABLE telemetry.{table}")


def insert(world: World, table: str, **columns: Any) -> None:
    def literal(value: Any) -> str:
        if isinstance(value, datetime):
            return f"fromUnixTimestamp64Milli({int(value.timestamp() * 1000)})"
        return "NULL" if value is None else repr(value)

    values = ", ".join(literal(value) for value in columns.values())
    world.engine.query(f"INSERT INTO telemetry.{table} ({', '.join(columns)}) SELECT {values}")


def collector(world: World, minutes_ago: float, instance: str, started: float, accepted: int, **more: Any) -> None:
    """A sample of the process `instance`, started so many minutes ago."""
    row = {
        "at": NOW - timedelta(minutes=minutes_ago),
        "task": f"task-{instance}",
        "instance": instance,
        "started_at": NOW - timedelta(minutes=started),
        "signal": "traces",
        "accepted": accepted,
        "refused": 0,
        "sent": accepted,
        "send_failed": 0,
        "queue_bytes": 0,
        "queue_capacity_bytes": 1000,
        "memory_bytes": 1,
        **more,
    }
    insert(world, "collector_samples", **row)


def kafka(world: World, minutes_ago: float, partition: int, end: int, committed: int | None, oldest: int = 0) -> None:
    insert(
        world,
        "kafka_samples",
        at=NOW - timedelta(minutes=minutes_ago),
        topic="otel-spans",
        partition=partition,
        consumer_group="g",
        oldest=oldest,
        next=end,
        committed=committed,
    )


def message(
    world: World, partition: int, offset: int, spans: list[int], dead: bool = False, at: datetime | None = None
) -> None:
    """One arrival of a message that holds these spans."""
    at = at or NOW - timedelta(minutes=30)
    place = {"topic": "otel-spans", "partition": partition, "offset": offset, "ingest_ts": at}
    insert(world, "ingest_ledger", **place, message_ts=at, spans=len(spans), is_dead_letter=dead)
    for span in spans:
        insert(world, "span_keys", **place, minute=int(at.timestamp()), tenant_id="acme", span_key=span)


def hops(world: World) -> dict[int, dict[str, Any]]:
    return {int(row["hop"].split()[0]): row for row in world.drawn("health: Loss ledger / Hop by hop")}


def test_the_ledger_tells_what_each_hop_had_and_what_is_missing(pipeline: World) -> None:
    # Before the first sample: no part of it.
    message(pipeline, 0, 9, [1])
    kafka(pipeline, 50, 0, 10, 10)
    kafka(pipeline, 50, 1, 0, None)
    collector(pipeline, 50, "a", 600, 1000)
    # Six messages on partition 0: 12 came twice, 13 is dead, 14 is gone, 15 waits. One on partition 1.
    message(pipeline, 0, 10, [2, 3])
    message(pipeline, 0, 11, [4])
    for _ in range(2):
        message(pipeline, 0, 12, [5, 6])
    message(pipeline, 0, 13, [], dead=True)
    message(pipeline, 1, 0, [6, 7])
    kafka(pipeline, 10, 0, 16, 15)
    kafka(pipeline, 10, 1, 1, 1)
    collector(pipeline, 10, "a", 600, 1009, refused=4)
    # Arrived after the last sample.
    message(pipeline, 0, 16, [8])
    found = hops(pipeline)
    spans = {number: row["spans"] if row["spans"] is None else int(row["spans"]) for number, row in found.items()}
    assert spans == {1: 4, 2: 9, 3: 9, 4: 7, 5: 5, 6: 2, 7: 1, 8: 1, 9: 7, 10: 6}
    assert int(found[5]["missing"]) == 1, "14 is committed as read, and nowhere"
    assert {row["missing"] for number, row in found.items() if number != 5} == {None}
    assert (found[3]["reading"], found[9]["reading"]) == (
        "as many as 2",
        "2 fewer than 3: those of 6 and 7 are not in it",
    )
    assert found[10]["reading"] == "less than 9: sent again by an SDK and counted once"


def test_what_came_between_two_samples_is_neither_loss_nor_doubling(pipeline: World) -> None:
    def made(offset: int, minutes_ago: float, spans: list[int]) -> None:
        message(pipeline, 0, offset, spans, at=NOW - timedelta(minutes=minutes_ago))

    # Kafka has them, and the counters, which were read a moment before, do not: 3 at the first sample, 2 at the last.
    made(9, 50, [1, 2, 3])
    kafka(pipeline, 50, 0, 10, 10)
    collector(pipeline, 50, "a", 600, 1000)
    made(10, 30, [4, 5, 6, 7])
    made(11, 10, [8, 9])
    kafka(pipeline, 10, 0, 12, 12)
    collector(pipeline, 10, "a", 600, 1000 + 3 + 4)
    found = hops(pipeline)
    assert (int(found[3]["spans"]), int(found[9]["spans"])) == (7, 6)
    assert found[9]["reading"] == "as many as 3"
    # One more is lost between them: the samples explain three, and not four.
    collector(pipeline, 9.99, "a", 600, 1000 + 3 + 5 + 2)
    assert hops(pipeline)[9]["reading"] == "4 fewer than 3"
    # A process that ended: what it counted after its last sample is not known.
    collector(pipeline, 30, "gone", 600, 500)
    collector(pipeline, 40, "gone", 600, 500)
    made(12, 29.8, list(range(20, 40)))
    kafka(pipeline, 9.98, 0, 13, 13)
    assert hops(pipeline)[9]["reading"] == "as many as 3"


def test_many_that_come_again_are_still_told_apart(pipeline: World) -> None:
    kafka(pipeline, 50, 0, 0, 0)
    collector(pipeline, 50, "a", 600, 0)
    for offset in range(3):
        message(pipeline, 0, offset, [1, 2])
    # The same key of another tenant is another record.
    at = NOW - timedelta(minutes=30)
    place = {"topic": "otel-spans", "partition": 0, "offset": 2, "ingest_ts": at, "minute": int(at.timestamp())}
    insert(pipeline, "span_keys", **place, tenant_id="globex", span_key=1)
    kafka(pipeline, 10, 0, 3, 3)
    collector(pipeline, 10, "a", 600, 6)
    assert (int(hops(pipeline)[9]["spans"]), int(hops(pipeline)[10]["spans"])) == (6, 3)


def test_a_process_counts_from_its_start_and_an_older_one_from_the_first_sample(pipeline: World) -> None:
    kafka(pipeline, 50, 0, 0, 0)
    collector(pipeline, 50, "old", 600, 5000)
    collector(pipeline, 40, "old", 600, 5100)
    # Another process at the same place, which began after the first sample: it counts from 0.
    collector(pipeline, 30, "new", 35, 70, task="task-old")
    collector(pipeline, 20, "new", 35, 90, task="task-old", refused=3, queue_bytes=800)
    assert int(hops(pipeline)[2]["spans"]) == 100 + 90
    rows = pipeline.drawn("health: Collectors / Collectors")
    assert [(row["task"], int(row["spans"]), int(row["refused"])) for row in rows] == [
        ("task-old", 90, 3),
        ("task-old", 100, 0),
    ]
    assert rows[0]["fullest_queue"] == 0.8
    second = pipeline.drawn("health: Collectors / Accepted and refused a second")
    assert sum(float(row["spans"]) for row in second) * 60 == pytest.approx(190)
    assert sum(float(row["refused"]) for row in second) * 60 == pytest.approx(3)
    assert max(float(row["used"]) for row in pipeline.drawn("health: Collectors / Queue to Kafka")) == 0.8
    (totals,) = pipeline.drawn("health: Right now / Refused")
    assert int(totals["refused"]) == 3


def test_lag_is_the_broker_s_end_less_what_is_committed_and_still_there(pipeline: World) -> None:
    kafka(pipeline, 20, 0, 500, 100)
    kafka(pipeline, 10, 0, 600, 580)
    kafka(pipeline, 10, 1, 40, None)
    # Kafka has deleted what was not read: it can't be read any more.
    kafka(pipeline, 10, 2, 90, 10, oldest=70)
    lag = {
        int(row["partition"]): int(row["lag"]) for row in pipeline.drawn("health: Kafka and the worker / Partitions")
    }
    assert lag == {0: 20, 1: 40, 2: 20}
    series = [
        (row["place"], int(row["messages"]))
        for row in pipeline.drawn("health: Kafka and the worker / Lag by partition")
    ]
    assert sorted(series) == [("otel-spans/0", 20), ("otel-spans/0", 400), ("otel-spans/1", 40), ("otel-spans/2", 20)]
    (totals,) = pipeline.drawn("health: Right now / Waiting in Kafka")
    assert int(totals["waiting"]) == 80


def spans(world: World, tenant: str, count: int) -> None:
    insert(
        world,
        "ingest_ledger",
        topic="otel-spans",
        partition=0,
        offset=count,
        message_ts=NOW,
        ingest_ts=NOW,
        spans=count,
        is_dead_letter=False,
    )
    at = int(NOW.timestamp()) // 60 * 60
    world.engine.query(
        f"INSERT INTO telemetry.spans_minute_data (tenant_id, minute, generation, spans) SELECT '{tenant}', toDateTime({at}), 0, {count}"
    )


def bill(world: World, *rows: tuple[str, float | None, float | None]) -> None:
    for part, month, million in rows:
        insert(world, "stack_costs", part=part, usd_a_month=month, usd_a_million_spans=million, reading="why")


def test_a_million_spans_cost_what_is_paid_anyway_shared_out_and_what_they_add(pipeline: World) -> None:
    bill(pipeline, ("kafka", 300, 0), ("network", 40, 0.5))
    spans(pipeline, "acme", 750)
    spans(pipeline, "globex", 250)
    seconds = (pipeline.view.end - pipeline.view.start).total_seconds()
    millions = 1000 / seconds * 730 * 3600 / 1e6
    rows = {row["of"]: row for row in pipeline.drawn("health: What it costs / A million spans, in dollars")}
    assert list(rows) == ["everything", "kafka", "network"]
    assert rows["everything"]["usd_a_month_now"] == pytest.approx(340 + 0.5 * millions)
    assert rows["everything"]["usd_a_million_spans_now"] == pytest.approx(340 / millions + 0.5)
    assert rows["kafka"]["usd_a_million_spans_now"] == pytest.approx(300 / millions)
    whom = {row["tenant"]: row for row in pipeline.drawn("health: What it costs / For whom")}
    assert (whom["acme"]["share"], whom["globex"]["share"]) == (0.75, 0.25)
    assert whom["acme"]["usd_a_month"] == pytest.approx(0.75 * (340 + 0.5 * millions))


def test_a_price_that_is_not_known_leaves_its_part_and_the_whole_open(pipeline: World) -> None:
    bill(pipeline, ("kafka", 300, 0), ("network", None, None))
    spans(pipeline, "acme", 750)
    rows = {row["of"]: row for row in pipeline.drawn("health: What it costs / A million spans, in dollars")}
    assert rows["everything"]["usd_a_month_now"] is rows["network"]["usd_a_million_spans_now"] is None
    assert rows["kafka"]["usd_a_month_now"] == 300
    (whom,) = pipeline.drawn("health: What it costs / For whom")
    assert (whom["share"], whom["usd_a_month"]) == (1, None)


def test_without_spans_nothing_is_divided(pipeline: World) -> None:
    bill(pipeline, ("kafka", 300, 0))
    rows = pipeline.drawn("health: What it costs / A million spans, in dollars")
    assert [(row["usd_a_month_now"], row["usd_a_million_spans_now"]) for row in rows] == [(300, None), (300, None)]
    assert cost_rows([]) == {}


def test_the_status_names_what_needs_a_look_worst_first(pipeline: World, world: World) -> None:
    assert pipeline.drawn("overview: Now / Status") == [], "nothing has arrived so far"
    now = View(world.arrived.start, world.arrived.end, 60, world.view.variables)
    found = {row["what"]: row for row in world.drawn("overview: Now / Status", now)}
    assert found["audit"]["state"] == "act" and "1 difference" in found["audit"]["reading"]
    assert found["canary"] == {**found["canary"], "state": "fine", "reading": "the newest trace took 1.25 s"}
    assert found["budgets"]["state"] == "act" and found["budgets"]["reading"] == "2 above the limit now"
    assert {row["dashboard"] for row in found.values()} <= set(MODELS), "a row leads nowhere"
    assert found["dead letters"]["state"] == found["refused"]["state"] == "look"
    assert found["waiting in Kafka"]["state"] == "fine"
    order = [row["state"] for row in world.drawn("overview: Now / Status", now)]
    assert order == sorted(order, key=["act", "look", "not known", "fine"].index)
    hours = {row["what"]: row for row in world.drawn("overview: Now / Status")}
    assert hours["errors"]["state"] == "act" and hours["cost that is not known"]["state"] in ("look", "act")


def test_a_crossed_budget_is_listed_while_it_is_open_and_in_the_time_in_which_it_was(pipeline: World) -> None:
    def event(id_: str, episode: str, type_: str, level: float, scope: str, subject: str, used: float) -> None:
        told = {"notify": scope == "run", "budget": f"a {scope}", "measure": "spend_usd", "tenant_id": "acme"}
        what = {"event_id": id_, "episode": episode, "type": type_, "level": level, "scope": scope, "subject": subject}
        insert(pipeline, "budget_events", at=NOW, **what, **told, used=used, usage_limit=10.0)

    event("1", "one", "crossed", 1.0, "run", "ab" * 16, 12.0)
    event("2", "two", "crossed", 1.0, "tenant", "", 60.0)
    event("3", "three", "warned", 0.8, "agent", "planner", 8.0)
    panel = "overview: What goes wrong, what is going on / Crossed budgets"
    rows = pipeline.drawn(panel)
    assert [(row["budget"], row["run"], row["state"], row["share"], row["webhook"]) for row in rows] == [
        ("a tenant", "", "now", 6, "nobody to tell"),
        ("a run", "ab" * 16, "now", 1.2, "not told yet"),
    ]
    # A run's is resolved when the run is over: what it spent stays spent, and it stays in sight.
    event("4", "one", "resolved", 0.0, "run", "ab" * 16, 0.0)
    insert(pipeline, "budget_deliveries", at=NOW, event_id="1", outcome="delivered", status=200, seconds=0.1, error="")
    rows = pipeline.drawn(panel)
    assert [(row["budget"], row["state"], row["webhook"]) for row in rows] == [
        ("a tenant", "now", "nobody to tell"),
        ("a run", "over", "told"),
    ]
    assert pipeline.drawn(panel, tenant=["somebody else"]) == []
    # Of another time there is what is above its limit still.
    (row,) = pipeline.drawn(panel, replace(pipeline.view, start=NOW - timedelta(hours=3), end=NOW - timedelta(hours=2)))
    assert row["budget"] == "a tenant"

"""The audit: finds a planted difference of every kind, mends what raw can mend, and takes nothing else for one."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client

from infra.worker.audit import audit
from infra.worker.positions import Position
from infra.worker.report import AuditReport
from tests.pipeline.clickhouse_front import Front
from tests.pipeline.worker_front import client_of_empty_tables, front_with_the_schema  # noqa: F401
from tests.pipeline.worker_world import (
    Span,
    again,
    client_of,
    deliver,
    enter,
    expected,
    insert_into,
    make_spans,
    rows,
    shown,
)

FIRST = 1_000_000
"""The offset at which make_spans begins."""


def spans_of_an_hour_ago(count: int = 400) -> list[Span]:
    first = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=1)
    return make_spans(count, 3, first)


def partition(committed: int, end: int | None = None, begin: int = FIRST) -> list[Position]:
    return [Position("otel-spans", 0, begin, end or committed, committed)]


def run(
    client: Client, positions: list[Position], mend: bool = False, since: timedelta = timedelta(minutes=5)
) -> AuditReport:
    since_ms = int((datetime.now(UTC) - since).timestamp() * 1000)
    return audit(client, positions, since_ms, repair=mend, settle_seconds=0.05)


def wrong(report: AuditReport) -> dict[str, tuple[int | float, str]]:
    """The rows that differ: by how much, with their detail."""
    return {row.name: (float(row.difference), row.detail) for row in report.rows if row.difference}


def test_a_sound_pipeline_has_no_difference(client: Client):
    spans = spans_of_an_hour_ago()
    deliver(client, spans)
    report = run(client, partition(FIRST + 20))
    assert report.ok, wrong(report)
    figures = {row.name: (row.expected, row.found) for row in report.rows}
    assert figures["spans"] == (400, 400)
    assert figures["rows of messages otel-spans"] == (400, 400)
    assert figures["offsets otel-spans/0"] == (20, 20)
    cost = sum(span.cost for span in spans)
    assert figures["cost (USD)"] == (cost, cost)


def test_what_kafka_holds_and_clickhouse_has_not_read_yet_is_lag_and_no_difference(client: Client):
    deliver(client, spans_of_an_hour_ago())
    report = run(client, partition(FIRST + 20, end=FIRST + 70))
    assert report.ok
    assert "lag 50" in report.rows[0].detail


def test_rows_that_are_stored_but_not_committed_are_no_difference(client: Client):
    deliver(client, spans_of_an_hour_ago())
    assert run(client, partition(FIRST + 5)).ok


def test_offsets_that_never_reached_the_ledger_are_named(client: Client):
    spans = spans_of_an_hour_ago()
    deliver(client, [span for span in spans if span.offset not in (FIRST + 7, FIRST + 8, FIRST + 19)])
    report = run(client, partition(FIRST + 20))
    assert wrong(report) == {"offsets otel-spans/0": (3.0, f"missing {FIRST + 7}-{FIRST + 8}, {FIRST + 19}")}


def test_the_newest_offset_missing_is_seen_although_nothing_arrived_lately(client: Client):
    deliver(client, [span for span in spans_of_an_hour_ago() if span.offset < FIRST + 18])
    report = run(client, partition(FIRST + 20), since=timedelta(seconds=-60))
    assert wrong(report)["offsets otel-spans/0"][0] == 2


def test_messages_that_kafka_deleted_unread_are_a_difference(client: Client):
    deliver(client, [span for span in spans_of_an_hour_ago() if span.offset < FIRST + 10])
    report = run(client, partition(FIRST + 10, end=FIRST + 30, begin=FIRST + 15))
    assert wrong(report) == {"offsets otel-spans/0": (5.0, "lag 15, 5 deleted by Kafka before they were read")}


def test_a_message_that_came_twice_and_was_repaired_is_named_but_no_difference(client: Client):
    spans = spans_of_an_hour_ago()
    deliver(client, spans)
    deliver(client, again(spans[:20]))
    assert not run(client, partition(FIRST + 20)).ok
    report = run(client, partition(FIRST + 20), mend=True)
    assert report.ok, wrong(report)
    assert report.repaired > 0
    assert "1 arrived more than once" in report.rows[0].detail
    assert shown(client) == expected(spans)
    assert run(client, partition(FIRST + 20)).ok


def test_a_message_of_which_rows_are_missing_is_named_and_cannot_be_mended(client: Client):
    spans = spans_of_an_hour_ago()
    deliver(client, spans[:-3], ledger=False)
    enter(client, spans)
    report = run(client, partition(FIRST + 20), mend=True)
    assert wrong(report) == {"rows of messages otel-spans": (3.0, f"20 messages, short: 0/{FIRST + 19}: 17 of 20")}


def test_a_span_that_raw_lacks_is_found(client: Client):
    spans = spans_of_an_hour_ago()
    deliver(client, spans)
    client.command("TRUNCATE TABLE telemetry.spans_raw")
    insert_into(client, "spans_raw", spans[:-1])
    assert wrong(run(client, partition(FIRST + 20)))["spans in raw"][0] == 1


@pytest.mark.parametrize(
    ("table", "figures"),
    [
        ("spans_minute_data", {"spans", "errors"}),
        ("cost_minute_data", {"model calls", "prompt tokens", "cost (USD)"}),
        ("tools_minute_data", {"tool calls", "tool errors"}),
        ("runs_data", {"run steps", "run model calls", "run cost (USD)"}),
    ],
)
def test_a_rollup_that_counted_something_twice_is_found_and_mended(client: Client, table: str, figures: set[str]):
    spans = spans_of_an_hour_ago()
    deliver(client, spans)
    # The first arrival of a block reached one rollup alone.
    client.command(f"INSERT INTO telemetry.{table} SELECT * FROM telemetry.{table}")
    assert figures <= set(wrong(run(client, partition(FIRST + 20))))
    assert run(client, partition(FIRST + 20), mend=True).ok
    assert shown(client) == expected(spans)


@pytest.mark.parametrize("table", ["spans_minute_data", "cost_minute_data", "tools_minute_data", "runs_data"])
def test_a_rollup_that_lacks_a_minute_is_found_and_mended(client: Client, table: str):
    spans = spans_of_an_hour_ago()
    deliver(client, spans)
    client.command(f"TRUNCATE TABLE telemetry.{table}")
    assert not run(client, partition(FIRST + 20)).ok
    assert run(client, partition(FIRST + 20), mend=True).ok
    assert shown(client) == expected(spans)


def test_deviations_that_cancel_out_are_differences(client: Client):
    spans = spans_of_an_hour_ago()
    deliver(client, spans)
    minute = spans[0].key.minute
    for change in (1, -1):
        tenant = "acme" if change == 1 else "globex"
        client.command(
            "INSERT INTO telemetry.tools_minute_data (tenant_id, minute, generation, calls) "
            f"SELECT '{tenant}', toDateTime({minute}), 0, toUInt64({change})"
        )
    row = next(row for row in run(client, partition(FIRST + 20)).rows if row.name == "tool calls")
    assert (row.expected, row.difference != 0) == (sum(span.kind == "tool" for span in spans), True)


def test_what_has_expired_by_its_retention_is_no_difference(client: Client):
    old = datetime.now(UTC) - timedelta(days=40)
    columns = ["topic", "partition", "offset", "spans", "is_dead_letter", "message_ts", "ingest_ts"]
    unreadable = ["otel-spans", 0, FIRST, 0, True, old, old]
    readable = ["otel-spans", 0, FIRST + 1, 20, False, old, old]
    # Their dead letter was kept for 30 days, their span keys for 7, the ledger is kept as long as raw.
    client.insert("telemetry.ingest_ledger", [unreadable, readable], column_names=columns)
    report = audit(client, partition(FIRST + 2), settle_seconds=0.05)
    assert report.ok, wrong(report)


def test_a_dead_letter_that_is_not_kept_is_found(client: Client):
    now = datetime.now(UTC)
    client.insert(
        "telemetry.ingest_ledger",
        [["otel-spans", 0, FIRST, 0, True, now, now]],
        column_names=["topic", "partition", "offset", "spans", "is_dead_letter", "message_ts", "ingest_ts"],
    )
    assert wrong(run(client, partition(FIRST + 1))) == {"dead letters": (1.0, "")}
    client.insert(
        "telemetry.dead_letters",
        [["otel-spans", 0, FIRST, now, now]],
        column_names=["topic", "partition", "offset", "message_ts", "ingest_ts"],
    )
    assert run(client, partition(FIRST + 1)).ok


def test_nothing_that_is_on_its_way_is_reported_while_spans_keep_coming(client: Client, front: Front):
    first = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=2)
    spans = make_spans(20_000, 3, first, per_message=100)
    stop = threading.Event()

    def feed() -> None:
        with client_of(front.port) as own:
            for start in range(0, len(spans), 100):
                if stop.is_set():
                    return
                deliver(own, again(spans[start : start + 100]))

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        for _ in range(3):
            committed = rows(client, "SELECT max(offset) + 1 FROM telemetry.ingest_ledger")[0][0]
            report = run(client, partition(max(committed, FIRST)))
            assert report.ok, wrong(report)
    finally:
        stop.set()
        feeder.join()

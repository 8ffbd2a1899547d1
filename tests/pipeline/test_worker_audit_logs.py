"""The audit of log records: each of a message must be an event, however often it came; nothing else counts as a loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client

from infra.worker.audit import audit
from infra.worker.report import AuditReport, AuditRow
from tests.pipeline.clickhouse_front import Front
from tests.pipeline.worker_front import client_of_empty_tables, front_with_the_schema  # noqa: F401

COLUMNS = ["tenant_id", "event_type", "source", "event_ts", "event_key", "topic", "partition", "offset", "ingest_ts"]
ROWS, EVENTS = "rows of messages otel-events", "log records in events"


@dataclass(frozen=True)
class Log:
    """A log record as the audit looks at it."""

    number: int
    offset: int
    at: datetime
    tenant: str = "acme"
    topic: str = "otel-events"


@pytest.fixture(autouse=True)
def no_events(client: Client) -> None:
    for table in ("events_raw", "log_keys"):
        client.command(f"TRUNCATE TABLE telemetry.{table}")


def logs(count: int = 40, ago: timedelta = timedelta(hours=1)) -> list[Log]:
    """Log records of three minutes and two tenants, ten a message."""
    first = datetime.now(UTC) - ago
    tenants = ("acme", "globex")
    return [Log(n, n // 10, first + timedelta(seconds=n * 180 / count), tenants[n % 3 > 0]) for n in range(count)]


def deliver(client: Client, sent: Sequence[Log], ledger: Sequence[Log] | None = None) -> None:
    """Puts log records through the views behind logs_in, and `ledger`'s messages (else theirs) into the ledger."""
    now = datetime.now(UTC)
    rows = [[log.tenant, "x", "log", log.at, log.number, log.topic, 0, log.offset, now] for log in sent]
    if rows:
        client.insert("telemetry.logs_in", rows, column_names=COLUMNS)
    entered = sent if ledger is None else ledger
    offsets = sorted({log.offset for log in entered})
    messages = [["otel-events", 0, offset, sum(log.offset == offset for log in entered), now] for offset in offsets]
    client.insert(
        "telemetry.ingest_ledger", messages, column_names=["topic", "partition", "offset", "spans", "ingest_ts"]
    )


def run(client: Client) -> tuple[AuditReport, dict[str, AuditRow]]:
    since = int((datetime.now(UTC) - timedelta(minutes=5)).timestamp() * 1000)
    report = audit(client, [], since, settle_seconds=0.05)
    return report, {row.name: row for row in report.rows}


def test_records_that_are_all_stored_are_no_difference(client: Client):
    deliver(client, logs())
    report, rows = run(client)
    assert report.ok
    assert (rows[ROWS].expected, rows[ROWS].found, rows[ROWS].detail) == (40, 40, "4 messages")
    assert (rows[EVENTS].expected, rows[EVENTS].found) == (40, 40)


def test_records_that_never_came_out_of_their_message_are_found(client: Client):
    sent = logs()
    deliver(client, sent[:-3], ledger=sent)
    report, rows = run(client)
    assert not report.ok
    assert (rows[ROWS].difference, rows[ROWS].detail) == (3, "4 messages, short: 0/3: 7 of 10")


def test_a_message_of_which_nothing_came_is_found(client: Client):
    sent = logs()
    deliver(client, sent[:30], ledger=sent)
    _, rows = run(client)
    assert (rows[ROWS].difference, rows[ROWS].detail) == (10, "4 messages, short: 0/3: 0 of 10")


def test_records_that_events_lacks_are_found(client: Client):
    sent = logs()
    deliver(client, sent)
    lost = [log for log in sent if log.tenant == "acme"][:2]
    client.command(
        f"DELETE FROM telemetry.events_raw WHERE tenant_id = 'acme' AND event_key IN ({lost[0].number}, {lost[1].number})"
    )
    report, rows = run(client)
    assert not report.ok
    assert rows[ROWS].difference == 0
    assert rows[EVENTS].difference == 2
    assert f"acme {lost[0].at:%Y-%m-%d %H:%M} -" in rows[EVENTS].detail


def test_a_record_that_came_again_is_no_difference_even_when_it_has_collapsed(client: Client):
    sent = logs()
    deliver(client, sent)
    # The very message again, and its records in a later message: events_raw keeps the last offset alone.
    deliver(client, sent[:10])
    deliver(client, [replace(log, offset=9) for log in sent[:10]])
    client.command("OPTIMIZE TABLE telemetry.events_raw FINAL")
    (stored,) = client.query("SELECT count(), countIf(offset = 0) FROM telemetry.events_raw").result_rows
    assert tuple(stored) == (40, 0)
    report, rows = run(client)
    assert report.ok, report.as_dicts()
    assert (rows[ROWS].expected, rows[EVENTS].expected) == (50, 40)


def test_span_events_are_no_log_records(client: Client, front: Front):
    deliver(client, logs(10))
    client.command(
        "INSERT INTO telemetry.events_raw (tenant_id, event_type, source, event_ts) "
        "SELECT tenant_id, 'exception', 'span', event_ts FROM telemetry.events_raw"
    )
    report, rows = run(client)
    assert report.ok
    assert rows[EVENTS].found == 10


def test_what_may_have_expired_is_not_compared(client: Client):
    """`short` keeps raw rows for a day (the tests' schema): older ones may be gone."""
    old = [replace(log, tenant="short") for log in logs(ago=timedelta(days=2))]
    deliver(client, old)
    client.command("TRUNCATE TABLE telemetry.events_raw")
    report, rows = run(client)
    assert report.ok
    assert (rows[ROWS].found, rows[EVENTS].expected) == (40, 0)


def test_what_is_older_than_the_keys_that_are_kept_is_not_compared(client: Client):
    deliver(client, logs(ago=timedelta(days=8)))
    client.command("TRUNCATE TABLE telemetry.events_raw")
    report, rows = run(client)
    assert report.ok
    assert rows[EVENTS].expected == 0

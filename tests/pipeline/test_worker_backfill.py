"""Backfills: a window is rebuilt from raw while it is read and written, stopped and continued."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client

from infra.errors import UserError
from infra.worker import backfill as module
from infra.worker.backfill import backfill
from infra.worker.keys import Key
from infra.worker.steps import Recompute
from tests.pipeline.clickhouse_front import Front
from tests.pipeline.worker_front import client_of_empty_tables, front_with_the_schema  # noqa: F401
from tests.pipeline.worker_world import (
    again,
    client_of,
    deliver,
    expected,
    make_spans,
    rows,
    shown,
)

ROLLUPS = ("spans_minute_data", "cost_minute_data", "tools_minute_data", "runs_data")


HoursAgo = Callable[[int], datetime]


@pytest.fixture
def hours_ago() -> HoursAgo:
    """Whole hours before the one in which the test began: in the next one they are the same."""
    began = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return lambda hours: began - timedelta(hours=hours)


def test_a_window_is_rebuilt_from_raw_and_nothing_outside_of_it(client: Client, hours_ago: HoursAgo):
    spans = make_spans(4_000, 240, hours_ago(8), ingested=hours_ago(3))
    deliver(client, spans)
    right = expected(spans)
    for table in ROLLUPS:
        client.command(f"TRUNCATE TABLE telemetry.{table}")
    client.command("TRUNCATE TABLE telemetry.trace_index")
    start, end = hours_ago(7), hours_ago(5)
    done = backfill(client, start, end)
    inside = {key: value for key, value in right.items() if start.timestamp() <= key.minute < end.timestamp()}
    assert shown(client) == inside
    assert (done.finished, done.continued, done.refused, done.live) == (True, False, 0, ())
    assert (done.minutes, done.hours_done, done.hours_total) == (len(inside), 2, 2)
    traces = {span.trace_id for span in spans if span.key in inside}
    found = rows(client, "SELECT uniqExact(trace_id) FROM telemetry.trace_index")[0][0]
    assert found == len(traces)


def test_one_tenant_alone_can_be_rebuilt(client: Client, hours_ago: HoursAgo):
    spans = make_spans(1_000, 60, hours_ago(3), ingested=hours_ago(1))
    deliver(client, spans)
    for table in ROLLUPS:
        client.command(f"TRUNCATE TABLE telemetry.{table}")
    backfill(client, hours_ago(3), hours_ago(2), tenant="acme")
    assert shown(client) == {key: value for key, value in expected(spans).items() if key.tenant_id == "acme"}


def test_what_was_counted_twice_is_right_after_a_backfill_and_raw_counts_once(client: Client, hours_ago: HoursAgo):
    spans = make_spans(1_000, 60, hours_ago(3), ingested=hours_ago(1))
    deliver(client, [*spans, *spans[:400]])
    assert shown(client) != expected(spans)
    backfill(client, hours_ago(3), None)
    assert shown(client) == expected(spans)


KILLED_IN_THE_SECOND_HOUR = """
import os, signal, sys
from datetime import datetime
from infra.worker import keys
from infra.worker.backfill import backfill
from tests.pipeline.worker_world import client_of

keys.KEYS_PER_STATEMENT = 40

def watch(state):
    if state.hours_done == 1 and state.minutes > 150:
        os.kill(os.getpid(), signal.SIGKILL)

with client_of(int(sys.argv[1])) as client:
    backfill(client, datetime.fromisoformat(sys.argv[2]), datetime.fromisoformat(sys.argv[3]), progress=watch)
"""


def test_a_killed_backfill_continues_behind_its_last_batch(
    client: Client, front: Front, hours_ago: HoursAgo, monkeypatch: pytest.MonkeyPatch
):
    spans = make_spans(3_000, 180, hours_ago(6), ingested=hours_ago(2))
    deliver(client, spans)
    for table in ROLLUPS:
        client.command(f"TRUNCATE TABLE telemetry.{table}")
    window = (hours_ago(6), hours_ago(3))
    arguments = [str(front.port), *(when.isoformat() for when in window)]
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_THE_SECOND_HOUR, *arguments], timeout=120)
    assert killed.returncode == -signal.SIGKILL
    half = set(shown(client))
    rebuilt: list[Key] = []
    original = module.repair_batch

    def watched(client_: Client, keys: list[Key], *rest: object, **named: object) -> object:
        rebuilt.extend(keys)
        return original(client_, keys, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "repair_batch", watched)
    done = backfill(client, *window)
    assert done.continued and done.finished
    assert half and not half & set(rebuilt)
    assert half | set(rebuilt) == set(expected(spans))
    assert done.minutes == len(expected(spans))
    assert shown(client) == expected(spans)
    # A finished one begins anew.
    assert not backfill(client, *window).continued


def test_a_window_that_ends_before_it_begins_is_refused(client: Client, hours_ago: HoursAgo):
    with pytest.raises(UserError, match="--from"):
        backfill(client, hours_ago(2), hours_ago(3))


def test_no_reader_sees_a_gap_or_a_double_while_a_window_is_rebuilt_under_load(
    client: Client, front: Front, hours_ago: HoursAgo
):
    spans = make_spans(6_000, 120, hours_ago(4), ingested=hours_ago(2))
    deliver(client, spans)
    right = expected(spans)
    stop, odd, reads = threading.Event(), [], [0]

    def read() -> None:
        with client_of(front.port) as own:
            while not stop.is_set():
                seen = {key: value for key, value in shown(own).items() if key in right}
                reads[0] += 1
                if seen != right:
                    odd.append({key: (seen.get(key), right[key]) for key in right if seen.get(key) != right[key]})

    live = make_spans(20_000, 1, datetime.now(UTC).replace(second=0, microsecond=0), seed=3, per_message=50)

    def write() -> None:
        with client_of(front.port) as own:
            for start in range(0, len(live), 50):
                if stop.is_set():
                    break
                deliver(own, live[start : start + 50])

    threads = [threading.Thread(target=work) for work in (read, read, write)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        backfill(client, hours_ago(4), hours_ago(2))
    stop.set()
    for thread in threads:
        thread.join()
    assert reads[0] > 5
    assert odd == []


def test_minutes_that_are_being_written_never_lose_a_row_and_are_right_in_the_end(client: Client, front: Front):
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    live = make_spans(4_000, 2, now - timedelta(minutes=2), per_message=50)
    stop, counts, sent = threading.Event(), [], []

    def write() -> None:
        with client_of(front.port) as own:
            for start in range(0, len(live), 50):
                if stop.is_set():
                    break
                batch = again(live[start : start + 50])
                deliver(own, batch)
                sent.extend(batch)

    def read() -> None:
        with client_of(front.port) as own:
            while not stop.is_set():
                counts.append(sum(figures["spans"] for figures in shown(own).values()))

    threads = [threading.Thread(target=work) for work in (read, write)]
    for thread in threads:
        thread.start()
    done = backfill(client, now - timedelta(minutes=5), None, patience=2)
    stop.set()
    for thread in threads:
        thread.join()
    assert counts == sorted(counts)
    assert done.finished
    Recompute()(client)
    assert shown(client) == expected(sent)

"""The worker's decisions that need no server: which minutes, in which batches, when, and how the loop survives."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.errors import UserError
from infra.worker import loop
from infra.worker.config import read_config
from infra.worker.keys import DAY, KEYS_PER_STATEMENT, SPANS_PER_STATEMENT, Key, batches, key_at, sql_tuples
from infra.worker.redelivered import COMMIT_MS, REMEMBERED_MS, Touched, needs_repair
from infra.worker.repair import RawRetention
from infra.worker.report import AuditReport, AuditRow
from infra.worker.results import StepResult

NOON = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())


def touched(rows: int, spans: int, last: int = NOON * 1000, computed_at: int = 0) -> Touched:
    return Touched(Key("acme", NOON - 60), rows, spans, last, computed_at)


def test_a_time_belongs_to_the_minute_that_holds_it_and_without_a_zone_is_utc():
    assert key_at("acme", datetime(2026, 11, 23, 12, 0, 59)) == Key("acme", NOON)
    assert key_at("acme", datetime(2026, 11, 23, 12, 1, tzinfo=UTC)) == Key("acme", NOON + 60)


def test_a_tenants_name_cannot_leave_its_quotes():
    assert sql_tuples([Key("a'), (1\\", NOON)]) == f"('a\\'), (1\\\\', {NOON})"


def test_batches_hold_a_bounded_number_of_rows_and_keys_and_one_day():
    sized = [(Key("acme", NOON + 60 * number), SPANS_PER_STATEMENT // 2) for number in range(5)]
    assert [len(batch) for batch in batches(sized)] == [2, 2, 1]
    small = [(Key(f"t{number}", NOON), 1) for number in range(KEYS_PER_STATEMENT + 1)]
    assert [len(batch) for batch in batches(small)] == [KEYS_PER_STATEMENT, 1]
    days = [(Key("acme", NOON), 1), (Key("acme", NOON + DAY), 1)]
    assert [len(batch) for batch in batches(days)] == [1, 1]


def test_a_minute_larger_than_a_statement_should_read_is_a_batch_of_its_own():
    sized = [
        (Key("a", NOON), 1),
        (Key("b", NOON), 5 * SPANS_PER_STATEMENT),
        (Key("c", NOON), SPANS_PER_STATEMENT),
    ]
    assert [[key.tenant_id for key in batch] for batch in batches(sized)] == [["a"], ["b"], ["c"]]


def test_batches_come_in_the_order_of_minutes_and_lose_no_key():
    sized = [(Key(f"t{number % 7}", NOON + 60 * (number % 50)), number * 1000) for number in range(350)]
    keys = [key for batch in batches(sized) for key in batch]
    assert keys == sorted({key for key, _ in sized}, key=lambda key: (key.minute, key.tenant_id))


@pytest.mark.parametrize(
    ("item", "needed"),
    [
        pytest.param(touched(10, 10), False, id="every span came once"),
        pytest.param(touched(11, 10), True, id="a span came twice"),
        pytest.param(touched(11, 10, computed_at=(NOON + 20) * 1000), False, id="repaired after it came twice"),
        pytest.param(touched(12, 12, computed_at=(NOON - 5) * 1000), True, id="new rows after the repair"),
        pytest.param(touched(12, 12, computed_at=(NOON + 5) * 1000), True, id="rows shortly before the repair"),
        pytest.param(touched(1, 1, last=NOON * 1000 + REMEMBERED_MS), True, id="older than what span_keys keeps"),
    ],
)
def test_a_minute_is_repaired_when_its_figures_may_be_wrong(item: Touched, needed: bool):
    assert needs_repair(item, NOON * 1000 + 30_000) is needed


def test_rows_that_were_on_their_way_are_waited_for_once():
    item = touched(12, 12, computed_at=(NOON + 5) * 1000)
    assert not needs_repair(item, item.computed_at + COMMIT_MS - 1)
    assert needs_repair(item, item.computed_at + COMMIT_MS)


def test_a_minute_that_may_have_lost_raw_rows_is_not_recomputed():
    retention = RawRetention(180, {"short": 7, "long": 400})
    now_ms = NOON * 1000
    assert not retention.may_be_deleted(Key("other", NOON - 179 * DAY), now_ms)
    assert retention.may_be_deleted(Key("other", NOON - 180 * DAY), now_ms)
    assert retention.may_be_deleted(Key("short", NOON - 7 * DAY), now_ms)
    # Rows that came before the tenant had its longer term carry the default.
    assert retention.may_be_deleted(Key("long", NOON - 180 * DAY), now_ms)
    assert not RawRetention(0, {}).may_be_deleted(Key("other", 0), now_ms)
    # A term that was once a tenant's, or everybody's.
    once = RawRetention(180, {}, {"once": NOON - 9 * DAY, "": NOON - 60 * DAY})
    assert once.may_be_deleted(Key("once", NOON - 9 * DAY), now_ms)
    assert not once.may_be_deleted(Key("once", NOON - 8 * DAY), now_ms)
    assert not once.may_be_deleted(Key("other", NOON - 59 * DAY), now_ms)
    assert once.may_be_deleted(Key("other", NOON - 60 * DAY), now_ms)
    assert RawRetention(180, {"*": 7}).may_be_deleted(Key("other", NOON - 8 * DAY), now_ms)


def test_a_report_is_ok_when_no_row_differs():
    fine = AuditRow("spans", 5, 5, 0)
    assert AuditReport([fine]).ok
    assert not AuditReport([fine, AuditRow("tokens", 5, 5, 2, "two minutes that cancel out")]).ok


@contextmanager
def no_connection() -> Any:
    yield None


def run_until(named: dict[str, tuple[float, loop.Step]], done: threading.Event) -> None:
    """Runs the steps until `done`, and stops them."""
    stop = threading.Event()
    thread = threading.Thread(target=loop.run_steps, args=(named, no_connection, stop))
    thread.start()
    assert done.wait(60)
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


def test_a_step_that_hangs_holds_up_neither_the_others_nor_the_stop(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "record", lambda *_: None)
    never, enough, count, over = threading.Event(), threading.Event(), [0], threading.Event()

    def hang(_: Any) -> StepResult:
        never.wait(240)
        over.set()
        return StepResult(True, 0)

    def tick(_: Any) -> StepResult:
        count[0] += 1
        if count[0] == 5:
            enough.set()
        return StepResult(True, 0)

    run_until({"hang": (0.01, hang), "tick": (0.01, tick)}, enough)
    assert not over.is_set(), "everything else has stopped, and it still hangs"
    never.set()


def test_a_failing_step_is_tried_again_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    recorded: list[tuple[str, bool]] = []
    monkeypatch.setattr(loop, "record", lambda _, step, result: recorded.append((step, result.ok)))
    enough, count = threading.Event(), [0]

    def flaky(_: Any) -> StepResult:
        count[0] += 1
        if count[0] <= 3:
            raise UserError(f"try {count[0]}: the server is away")
        enough.set()
        return StepResult(True, 0)

    with caplog.at_level(logging.INFO, logger="infra.worker"):
        run_until({"flaky": (0.01, flaky)}, enough)
    said = [record.message for record in caplog.records if record.message.startswith("flaky")]
    assert said == [
        "flaky: failed and will be tried again: UserError: try 1: the server is away",
        "flaky: works again",
    ]
    assert [item for item in recorded if item[0] == "flaky"][:4] == [("flaky", False)] * 3 + [("flaky", True)]


def test_a_failure_that_cannot_even_be_recorded_does_not_end_the_loop(monkeypatch: pytest.MonkeyPatch):
    def record(*_: Any) -> None:
        raise ConnectionError("the server is away")

    monkeypatch.setattr(loop, "record", record)
    enough, count = threading.Event(), [0]

    def fails(_: Any) -> StepResult:
        count[0] += 1
        if count[0] == 3:
            enough.set()
        raise ConnectionError("the server is away")

    run_until({"fails": (0.01, fails)}, enough)
    assert count[0] >= 3


def test_the_process_survives_servers_that_are_away_and_stops_at_once(tmp_path):
    file = tmp_path / "worker.json"
    file.write_text(
        '{"kafka": {"bootstrap_servers": "127.0.0.1:1"}, "clickhouse": {"host": "127.0.0.1", "port": 1},'
        ' "kafka_access": {"class": "infra.endpoints:NoSignIn", "args": {}},'
        ' "clickhouse_access": {"class": "infra.endpoints:Direct", "args": {}},'
        ' "otlp": {"http_url": "http://127.0.0.1:1", "grpc_target": "127.0.0.1:1"},'
        ' "otlp_access": {"class": "infra.endpoints:NoCredential", "args": {}}, '
        ' "metrics_access": {"class": "infra.endpoints:OnePage", "args": {"name": "a", "url": "b"}}, "settings": {}}'
    )
    command = [sys.executable, "-m", "infra.worker", "--config", str(file)]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "worker started" in process.stdout.readline()
        asked = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(60) == 0
        # On a busy machine everything takes longer; its start is ten times as much work as its end.
        assert time.monotonic() - asked < max(2, asked - began)
    finally:
        process.kill()
        process.wait()


def test_a_broken_configuration_is_named_with_what_to_do(tmp_path):
    file = tmp_path / "worker.json"
    file.write_text("{}")
    with pytest.raises(UserError, match=r"worker\.json.*telemetry up"):
        read_config(file)

"""Telling of budgets' events: a real receiver that is down, slow or wrong, two workers, restarts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from infra.worker.budgets import notify
from infra.worker.budgets.config import Budget
from infra.worker.budgets.evaluate import Evaluate
from infra.worker.budgets.notify import AT_ONCE, Notify
from infra.worker.lease import Lease
from tests.pipeline.budget_world import SECRET, Call, Receiver, forget, put, receiving, rows, trace
from tests.pipeline.clickhouse_front import Front
from tests.pipeline.worker_front import front_with_the_schema  # noqa: F401
from tests.pipeline.worker_world import client_of, empty
from tests.ports import free_port

SECONDS = 60.0


@pytest.fixture(name="client")
def client_of_empty_tables(front: Front) -> Iterator[Client]:
    with client_of(front.port) as client:
        empty(client)
        forget(client)
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


CALLS = Budget(name="calls", measure="model_calls", scope="run", window="run", limit=2.0)


class Worker:
    """Both steps of one worker."""

    def __init__(self, client: Client, url: str, *budgets: Budget, **options: Any) -> None:
        self.client, self.lease = client, Lease("budgets", **options)
        self.evaluate = Evaluate(budgets or [CALLS], "test", True, self.lease)
        self.notify = Notify(url, lambda: [SECRET], self.lease)

    def is_silent(self) -> None:
        """As if it had not been heard of for longer than its lease lasts."""
        holder, table = self.lease._holder, "telemetry.worker_leases"
        heard = (
            f"SELECT * REPLACE (at - INTERVAL 1 HOUR AS at) FROM {table} WHERE holder = '{holder}' ORDER BY at LIMIT 1"
        )
        self.client.command(f"INSERT INTO {table} {heard}")
        self.client.command(f"DELETE FROM {table} WHERE holder = '{holder}' AND at > now() - INTERVAL 30 MINUTE")
        self.lease._beat = -float("inf")

    def both(self) -> None:
        self.evaluate(self.client)
        self.notify(self.client)

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Goes on as the loop does."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, what
            self.both()
            time.sleep(0.05)


def cross(client: Client, *runs: str) -> None:
    put(client, *(Call(run=run) for run in runs for _ in range(2)))


def outcomes(client: Client) -> list[tuple[Any, ...]]:
    query = "SELECT event_id, outcome, status FROM telemetry.budget_deliveries ORDER BY at"
    return [tuple(row) for row in rows(client, query)]


def test_a_crossing_is_told_of_once_and_a_restarted_worker_does_not_repeat_it(
    client: Client, receiver: Receiver
) -> None:
    worker = Worker(client, receiver.url)
    cross(client, "a")
    worker.until(lambda: outcomes(client), "told")
    (body,) = receiver.bodies
    assert body.data.subject.run == trace("a").hex() and outcomes(client) == [(body.id, "delivered", 204)]
    again = Worker(client, receiver.url, expiry_seconds=1.0)
    cross(client, "b")
    again.until(lambda: len(receiver.bodies) == 2, "the new one goes on where the old one ended")
    again.until(lambda: len(outcomes(client)) == 2, "recorded")
    assert {body.data.subject.run for body in receiver.bodies} == {trace("a").hex(), trace("b").hex()}


def test_a_receiver_that_was_down_gets_the_same_event_once_it_is_up(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "pause", lambda tries: 0.2)
    port = free_port()
    worker = Worker(client, f"http://127.0.0.1:{port}/")
    cross(client, "a")
    worker.until(lambda: len(outcomes(client)) >= 2, "two tries")
    assert {outcome[1:] for outcome in outcomes(client)} == {("failed", 0)}
    with receiving(port) as receiver:
        receiver.answer = 503
        worker.until(lambda: outcomes(client)[-1][1:] == ("failed", 503), "refused")
        receiver.answer = 204
        worker.until(lambda: receiver.bodies, "taken")
        worker.until(lambda: outcomes(client)[-1][1] == "delivered", "recorded")
        tries = len(outcomes(client))
        worker.both()
        worker.both()
        assert len(outcomes(client)) == tries and len(set(receiver.raw)) == 1, "the same bytes, then silence"
    (shown,) = rows(client, "SELECT tries, delivered > 0, last_error != '' FROM telemetry.budget_crossings")
    assert shown == (tries, True, True)


def test_an_event_that_is_too_old_is_given_up(client: Client, receiver: Receiver) -> None:
    receiver.answer = 500
    worker = Worker(client, receiver.url)
    cross(client, "a")
    worker.until(lambda: outcomes(client), "tried")
    client.command(
        "INSERT INTO telemetry.budget_events SELECT * REPLACE (at - INTERVAL 2 HOUR AS at, give_up_at - INTERVAL 2 HOUR AS give_up_at) FROM telemetry.budget_events"
    )
    client.command("DELETE FROM telemetry.budget_events WHERE give_up_at > now()")
    worker.until(lambda: outcomes(client)[-1][1] == "abandoned", "given up")
    tries = len(receiver.raw)
    worker.both()
    assert len(receiver.raw) == tries


def test_calls_that_hang_hold_up_neither_other_events_nor_the_evaluation(
    client: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "LOST_SECONDS", 3600.0)
    monkeypatch.setattr(notify, "pause", lambda tries: 3600.0)
    hung = set[str]()

    def hang_on_the_first(handler: BaseHTTPRequestHandler) -> None:
        name = handler.headers["webhook-id"]
        if len(hung) < AT_ONCE - 1 or name in hung:
            hung.add(name)
            # Header lines without an end: every read gets something, so no read times out.
            handler.send_response_only(200)
            handler.flush_headers()
            while handler.wfile.write(b"x-more: y\r\n"):
                time.sleep(0.3)
        handler.send_response(204)
        handler.send_header("content-length", "0")
        handler.end_headers()

    receiver.answer = hang_on_the_first
    worker = Worker(client, receiver.url)
    cross(client, *(f"run-{number}" for number in range(AT_ONCE - 1)))
    worker.until(lambda: len(hung) == AT_ONCE - 1, "all of them hang")
    cross(client, "fresh")
    worker.until(lambda: outcomes(client), "the fresh one is told of")
    assert [row[1] for row in outcomes(client)] == ["delivered"], "all others still hang"
    monkeypatch.setattr(notify, "LOST_SECONDS", 2.0)
    worker.until(
        lambda: sum(row[1] == "failed" for row in outcomes(client)) == AT_ONCE - 1, "the hung ones have failed"
    )


def test_of_two_workers_one_looks_and_tells_and_the_other_takes_over(client: Client, receiver: Receiver) -> None:
    # Both lose no lease by being slow: a busy machine's look takes seconds.
    first, second = Worker(client, receiver.url, expiry_seconds=240), Worker(client, receiver.url, expiry_seconds=240)
    first.both()
    for name in "abc":
        cross(client, name)
        second.both()
        first.both()
        second.both()
    first.until(lambda: len(outcomes(client)) == 3, "told")
    assert len(receiver.raw) == 3
    # The first is gone without a word.
    first.is_silent()
    cross(client, "d")
    second.until(lambda: len(receiver.bodies) == 4, "the second has taken over")
    second.until(lambda: len(outcomes(client)) == 4, "recorded")
    # It comes back and is the second one now.
    cross(client, "e")
    first.both()
    second.both()
    first.both()
    second.until(lambda: len(outcomes(client)) == 5, "told")
    assert len(receiver.raw) == 5 and len({body.id for body in receiver.bodies}) == 5


def test_a_redirection_is_not_followed(client: Client, receiver: Receiver) -> None:
    with receiving() as other:

        def elsewhere(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(307)
            handler.send_header("location", other.url)
            handler.send_header("content-length", "0")
            handler.end_headers()

        receiver.answer = elsewhere
        worker = Worker(client, receiver.url)
        cross(client, "a")
        worker.until(lambda: outcomes(client), "tried")
        assert outcomes(client)[0][1:] == ("failed", 307) and other.raw == []


def test_a_worker_without_a_receiver_records_and_a_later_receiver_hears_of_new_events_only(
    client: Client, receiver: Receiver
) -> None:
    silent = Evaluate([CALLS], "test", False, Lease("budgets", 2.0))
    cross(client, "a")
    silent(client)
    assert rows(client, "SELECT subject, notify FROM telemetry.budget_events") == [(trace("a").hex(), False)]
    worker = Worker(client, receiver.url, expiry_seconds=2.0)
    cross(client, "b")
    worker.until(lambda: outcomes(client), "told")
    assert [body.data.subject.run for body in receiver.bodies] == [trace("b").hex()]

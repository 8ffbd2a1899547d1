"""The worker's step that tells of events: each is tried until the receiver takes it or it is too old, each try is recorded."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from infra.replicas import catch_up, stored_everywhere
from infra.worker import statements
from infra.worker.budgets.webhook import CONNECT_SECONDS, READ_SECONDS, Answer, call
from infra.worker.lease import Lease
from infra.worker.results import StepResult

NOTIFY_SECONDS = 1.0
AT_ONCE = 8
"""Calls under way at a time."""
AGAIN_AT_ONCE = AT_ONCE // 2
"""Of these, calls that failed before: what is new does not wait for them."""
LOST_SECONDS = 2 * (CONNECT_SECONDS + READ_SECONDS)
"""A call that takes longer, because answers come in drops, has failed, and its thread counts no more."""
LONGEST_PAUSE = 300.0
RECORD_SECONDS = 60.0

Post = Callable[[str, Sequence[str], str, bytes], Answer]


def pause(tries: int) -> float:
    """Seconds between the last try and the next: 2, 4, 8, … 300."""
    return min(2.0 ** min(tries, 10), LONGEST_PAUSE)


@dataclass(frozen=True)
class Pending:
    """An event that somebody is still to be told of."""

    event_id: str
    body: str
    began_ms: int
    give_up_ms: int
    tries: int
    last_ms: int

    def due(self, now_ms: int) -> bool:
        return self.tries == 0 or now_ms >= self.last_ms + pause(self.tries) * 1000


class Notify:
    """Tells of what is pending. One worker at a time: the lease's holder."""

    def __init__(self, url: str, secrets: Callable[[], Sequence[str]], lease: Lease, post: Post = call) -> None:
        self._url, self._secrets, self._lease, self._post = url, secrets, lease, post
        self._answers: queue.SimpleQueue[tuple[str, Answer]] = queue.SimpleQueue()
        self._under_way: dict[str, float] = {}
        self._recorded = -float("inf")
        self._failing = False

    def __call__(self, client: Client) -> StepResult:
        tried = self._take_answers(client)
        if not self._lease.held(client):
            return StepResult(True, 0, record=False)
        catch_up(client, ["budget_events", "budget_deliveries"])
        now_ms = statements.server_ms(client)
        # More than can be called at once: some of them wait for their next try.
        rows = statements.rows(client, "worker/budgets/pending", limit=1000)
        pending = [Pending(*row) for row in rows if row[0] not in self._under_way]
        for item in pending:
            if now_ms >= item.give_up_ms:
                self._record(client, item.event_id, "abandoned", Answer(0, 0.0, f"not taken in {item.tries} tries"))
            elif item.due(now_ms) and len(self._under_way) < (AGAIN_AT_ONCE if item.tries else AT_ONCE):
                self._begin(item)
        oldest = max([now_ms - item.began_ms for item in pending if item.tries], default=0) / 1000
        return self._result(tried, len(pending), oldest)

    def _begin(self, item: Pending) -> None:
        secrets = self._secrets()

        def post() -> None:
            began = time.monotonic()
            try:
                answer = self._post(self._url, secrets, item.event_id, item.body.encode())
            except Exception as error:  # a thread that ends without an answer would leave the event under way
                answer = Answer(0, time.monotonic() - began, f"{type(error).__name__}: {error}"[:300])
            self._answers.put((item.event_id, answer))

        self._under_way[item.event_id] = time.monotonic()
        threading.Thread(target=post, name=f"webhook {item.event_id}", daemon=True).start()

    def _take_answers(self, client: Client) -> list[Answer]:
        """Records how calls went that have ended, and those that don't end."""
        taken: list[tuple[str, Answer]] = []
        while not self._answers.empty():
            taken.append(self._answers.get())
        for event_id, began in self._under_way.items():
            if time.monotonic() - began > LOST_SECONDS and event_id not in dict(taken):
                taken.append((event_id, Answer(0, LOST_SECONDS, f"no whole answer in {LOST_SECONDS:g} s")))
        for event_id, answer in taken:
            # One that was lost before has been recorded, unless the receiver did take it after all.
            if event_id in self._under_way or not answer.error:
                self._record(client, event_id, "failed" if answer.error else "delivered", answer)
            self._under_way.pop(event_id, None)
        return [answer for _, answer in taken]

    def _record(self, client: Client, event_id: str, outcome: str, answer: Answer) -> None:
        settings = stored_everywhere(client, "budget_deliveries")
        statements.run(client, "worker/budgets/delivery", settings, event_id=event_id, outcome=outcome, answer=answer)

    def _result(self, tried: Sequence[Answer], waiting: int, oldest: float) -> StepResult:
        errors = [answer.error for answer in tried if answer.error]
        quiet = not tried and time.monotonic() - self._recorded < RECORD_SECONDS
        self._recorded = self._recorded if quiet else time.monotonic()
        say = ""
        if errors and not self._failing:
            say = f"the receiver does not take events and is tried again: {errors[0]}"
        elif tried and not errors and self._failing:
            say = "the receiver takes events again"
        self._failing = bool(errors) if tried else self._failing
        detail = {"tried": len(tried), "failed": len(errors), "waiting": waiting}
        return StepResult(not errors, round(oldest, 1), detail, not quiet, say)

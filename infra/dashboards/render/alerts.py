"""What Grafana's list of alerts shows, without a Grafana: the built rules, evaluated on what the page reads from."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from infra.dashboards import alerts_evaluation
from infra.dashboards.alerts_evaluation import Firing, Row, Watch
from infra.dashboards.render.source import Column, Frame, QueryError, Source

KEPT_SECONDS = 30.0
"""Grafana looks once a minute; each look is a statement a rule, the first one some more for each that fires."""
SHOWN_SECONDS = 120.0
"""An answer that old is still shown while the next one is made: on a busy machine a look takes its time."""
COLUMNS = [
    Column("state", "string"),
    Column("severity", "string"),
    Column("summary", "string"),
    Column("description", "string"),
    Column("since", "time"),
    Column("dashboard", "string"),
    Column("runbook", "string"),
]


@dataclass
class AlertList:
    """The rule groups of a stack, as alerts.build_rule_groups gives them, and the newest answer."""

    groups: Sequence[Mapping[str, Any]]
    source: Source
    _newest: tuple[float, Frame] | None = None
    _coming: Future[Frame] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._watch = Watch(self.groups)
        # Of its own: it waits for statements, and those need the source's threads.
        self._thread = ThreadPoolExecutor(1, "alerts")

    def now(self) -> Future[Frame]:
        """What is firing or pending, the most severe first."""
        with self._lock:
            age = time.monotonic() - self._newest[0] if self._newest else math.inf
            if age >= KEPT_SECONDS and (self._coming is None or self._coming.done()):
                self._coming = self._thread.submit(self._evaluated)
            if self._newest and age < SHOWN_SECONDS:
                shown: Future[Frame] = Future()
                shown.set_result(self._newest[1])
                return shown
            assert self._coming
            return self._coming

    def _evaluated(self) -> Frame:
        began = time.monotonic()
        found = self._watch.look(datetime.now(UTC), self._ask)
        frame = Frame(COLUMNS, [_row(one) for one in found], time.monotonic() - began)
        self._newest = (began, frame)
        return frame

    def _ask(self, statement: str) -> Sequence[Row]:
        try:
            frame = self.source.ask(statement).result()
        except QueryError as error:
            raise alerts_evaluation.QueryError(str(error)) from error
        names = [column.name for column in frame.columns]
        return [dict(zip(names, row, strict=True)) for row in frame.rows]

    def close(self) -> None:
        """Evaluates no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _row(one: Firing) -> list[Any]:
    since = one.since.timestamp() * 1000
    return [one.state, one.severity, one.summary, one.description, since, one.dashboard, one.runbook]

"""What `telemetry demo` runs: some days of sparse history first, then live traffic, all through OTLP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from examples.agents import live, wire
from examples.agents.generate import generate
from examples.agents.send import Door, GrpcDoor, HttpDoor, Request, Sender
from infra.endpoints import OtlpAddress
from infra.errors import UserError

BATCH = 800
"""Spans a request: what a gateway in front of the collector would bundle."""
CONNECTIONS = 4


@dataclass(frozen=True)
class Progress:
    """How far the demo is."""

    phase: str
    """`history` or `live`."""
    sent: int
    expected: int
    acknowledged: int


@dataclass(frozen=True)
class DemoResult:
    """What the demo sent, in spans, and the window that its spans lie in."""

    sent: int
    acknowledged: int
    refused: int
    retries: int
    seconds: float
    history_seconds: float
    start: datetime
    end: datetime
    problem: str
    """The endpoint's last complaint; '' when there was none."""


def _door(otlp: OtlpAddress, protocol: str, headers: dict[str, str] | None) -> Door:
    return GrpcDoor(otlp.grpc_target, headers) if protocol == "grpc" else HttpDoor(otlp.http_url, headers)


def check_reachable(otlp: OtlpAddress, protocol: str = "http", headers: dict[str, str] | None = None) -> None:
    """An empty request, which every OTLP endpoint takes. Raises UserError when this one doesn't."""
    door = _door(otlp, protocol, headers)
    try:
        attempt = door.attempt(Request("traces", 0, b""))
    finally:
        door.close()
    problem = attempt.problem or (attempt.answer.problem if attempt.answer else "")
    if problem:
        where = otlp.grpc_target if protocol == "grpc" else otlp.http_url
        unknown = "HTTP 401" in problem or "UNAUTHENTICATED" in problem
        hint = "pass a token (telemetry tenants add)" if unknown else "is the stack up? (telemetry status)"
        raise UserError(f"OTLP endpoint {where} does not take spans: {problem}; {hint}")


def send_history(
    otlp: OtlpAddress,
    seed: int,
    days: float,
    spans: int,
    now: datetime,
    progress: Callable[[Progress], None],
    headers: dict[str, str] | None = None,
    protocol: str = "http",
) -> Sender:
    """Sends `spans` spans of the last `days` days and waits for every answer; the sender knows the totals."""
    start = now - timedelta(days=days)
    sender = Sender([_door(otlp, protocol, headers) for _ in range(CONNECTIONS)])
    pending_spans, pending_events = wire.Batch(), wire.Batch()
    # The demo can run twice on one stack: its spans are new ones, not the old ones at other times.
    for run in generate(seed, spans, start, now, ids=now.isoformat()):
        for span in run.spans:
            pending_spans.add(span)
        for event in run.events:
            pending_events.add(event)
        if pending_spans.count >= BATCH:
            sender.put(Request("traces", *pending_spans.take()))
            totals = sender.totals
            progress(Progress("history", totals.sent, spans, totals.acknowledged))
        if pending_events.count >= BATCH:
            sender.put(Request("logs", *pending_events.take()))
    for signal, batch in (("traces", pending_spans), ("logs", pending_events)):
        if batch.count:
            sender.put(Request(signal, *batch.take()))
    totals = sender.close()
    progress(Progress("history", totals.sent, spans, totals.acknowledged))
    return sender


def run(
    otlp: OtlpAddress,
    rate: float = 50.0,
    duration: float = 60.0,
    seed: int = 7,
    history_days: float = 3.0,
    history_spans: int = 300_000,
    progress: Callable[[Progress], None] = lambda _: None,
    headers: dict[str, str] | None = None,
    protocol: str = "http",
    stop: threading.Event | None = None,
) -> DemoResult:
    """The whole demo. `rate` is spans a second. Raises UserError when the endpoint takes nothing at all."""
    check_reachable(otlp, protocol, headers)
    began, now = time.monotonic(), datetime.now(UTC)
    sent = acknowledged = refused = retries = 0
    problem = ""
    if history_days > 0 and history_spans > 0:
        totals = send_history(otlp, seed, history_days, history_spans, now, progress, headers, protocol).totals
        sent, acknowledged, refused = totals.sent, totals.acknowledged, totals.refused
        retries, problem = totals.retries, totals.problem
    history_seconds = time.monotonic() - began
    if rate > 0 and duration > 0:
        expected = round(rate * duration)
        counted = live.stream(
            otlp,
            rate,
            duration,
            seed,
            headers,
            protocol,
            lambda live_sent, taken: progress(Progress("live", live_sent, expected, taken)),
            stop or threading.Event(),
        )
        sent, acknowledged, refused = sent + counted[0], acknowledged + counted[1], refused + counted[2]
    start = now - timedelta(days=history_days) if history_days > 0 else now - timedelta(minutes=15)
    return DemoResult(
        sent,
        acknowledged,
        refused,
        retries,
        time.monotonic() - began,
        history_seconds,
        start,
        datetime.now(UTC) + timedelta(seconds=1),
        problem,
    )

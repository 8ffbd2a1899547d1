"""From the OTLP response to a visible row, under a steady load; the parts' memory idle and under it."""

from __future__ import annotations

import datetime
import secrets
import threading
import time

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from examples.agents.send import HttpDoor, Request, deliver
from infra.clickhouse import connect
from infra.endpoints import Direct
from tests.bench.parts import MemorySamples, sampled_memory
from tests.bench.replay import Replay
from tests.bench.report import Figure, percentile
from tests.bench.stored import NotStored, sql
from tests.bench.traffic import PATIENCE, SteadyLoad
from tests.stack import Stack

RATE = 5000.0
BATCH = 250
"""Spans a request: 20 requests a second, as from some twenty services' SDKs."""
PROBES_A_SECOND = 8.0
PROBE_CONNECTIONS = 4
POLL_SECONDS = 0.02
LAST_PROBE_SECONDS = 60.0
WARM_SECONDS = 5.0
IDLE_SECONDS = 5.0
TARGET_SECONDS = 2.0


def _probe(trace_id: bytes) -> bytes:
    now = time.time_ns()
    text = lambda key, value: KeyValue(key=key, value=AnyValue(string_value=value))  # noqa: E731
    span = Span(trace_id=trace_id, span_id=secrets.token_bytes(8), name="probe")
    span.start_time_unix_nano, span.end_time_unix_nano = now, now + 1_000_000
    resource = Resource(attributes=[text("service.name", "bench"), text("tenant.id", "bench-probe")])
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=[span])])]
    ).SerializeToString()


class Probes:
    """Single spans sent at a steady pace, and one poller that sees them arrive."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._lock = threading.Lock()
        self._waiting: dict[str, float] = {}
        self._stop = threading.Event()
        self._due = time.monotonic()
        self.delays: list[float] = []
        """Seconds from the answer to the row, of each probe that was seen."""
        self.problems: list[str] = []
        self._senders = [threading.Thread(target=self._send, daemon=True) for _ in range(PROBE_CONNECTIONS)]
        self._poller = threading.Thread(target=self._poll, daemon=True)

    def start(self) -> None:
        """Begins to send and to look."""
        self._due = time.monotonic()
        for thread in (*self._senders, self._poller):
            thread.start()

    def finish(self) -> None:
        """Ends sending; returns when the last probe was seen. Raises NotStored."""
        self._stop.set()
        for thread in (*self._senders, self._poller):
            thread.join()
        if self.problems or self._waiting:
            raise NotStored(f"{len(self._waiting)} probes were not seen. {' '.join(self.problems[:1])}")

    def _send(self) -> None:
        door = HttpDoor(self._stack.otlp.http_url)
        while not self._stop.is_set():
            with self._lock:
                due, self._due = self._due, max(self._due + 1 / PROBES_A_SECOND, time.monotonic() - 1)
            if self._stop.wait(max(0.0, due - time.monotonic())):
                break
            trace_id = secrets.token_bytes(16)
            answer = deliver(door, Request("traces", 1, _probe(trace_id)), PATIENCE)
            if answer.acknowledged:
                with self._lock:
                    self._waiting[trace_id.hex()] = time.monotonic()
            else:
                self.problems.append(answer.problem)
        door.close()

    def _poll(self) -> None:
        query, seen = sql("visible_probes"), set[str]()
        since = datetime.datetime.now(datetime.UTC)
        last = float("inf")
        with connect(self._stack.clickhouse, Direct()) as client:
            while time.monotonic() < last:
                rows = {row[0] for row in client.query(query, parameters={"since": since}).result_rows} - seen
                now = time.monotonic()
                with self._lock:
                    # A probe can be seen before its sender has read the answer: it is taken in the next round.
                    arrived = rows & self._waiting.keys()
                    self.delays += [now - self._waiting.pop(each) for each in arrived]
                    left = len(self._waiting)
                seen |= arrived
                if self._stop.is_set() and not any(thread.is_alive() for thread in self._senders):
                    if not left:
                        return
                    last = min(last, now + LAST_PROBE_SECONDS)
                time.sleep(POLL_SECONDS)


def idle_memory(stack: Stack) -> dict[str, int]:
    """Each part's memory while nothing but the worker's own canary runs."""
    with sampled_memory(stack.run) as samples:
        time.sleep(IDLE_SECONDS)
    return samples.highest()


def measure(stack: Stack, seconds: float) -> tuple[list[Figure], MemorySamples]:
    """The delays at RATE spans/s for `seconds`, after some seconds of the same load."""
    load, probes = SteadyLoad(stack.otlp.http_url, Replay(BATCH), RATE), Probes(stack)
    load.start()
    try:
        time.sleep(WARM_SECONDS)
        with sampled_memory(stack.run) as samples:
            probes.start()
            time.sleep(seconds)
    finally:
        result = load.stop()
    probes.finish()
    detail = {
        "probes": len(probes.delays),
        "acknowledged_spans_a_second": round(result.rate),
        "refused": result.totals.refused,
        "retries": result.totals.retries,
        "generator_late_s": round(result.late_seconds, 3),
        "answer_p50_s": round(percentile(result.answer_seconds, 0.5), 3),
        "answer_p99_s": round(percentile(result.answer_seconds, 0.99), 3),
    }
    figures = [
        Figure(
            f"OTLP response to visible row at {RATE:,.0f} spans/s, p{share * 100:g}",
            round(percentile(probes.delays, share), 3),
            "s",
            TARGET_SECONDS if share == 0.99 else None,
            detail=detail,
        )
        for share in (0.5, 0.9, 0.99)
    ]
    figures.append(Figure("steady load, acknowledged", round(result.rate), "spans/s", RATE * 0.98, at_most=False))
    return figures, samples


def memory_figures(kind: str, sizes: dict[str, int]) -> list[Figure]:
    """A figure a part, and their sum."""
    found = [Figure(f"memory {kind}, {part}", round(size / 2**20), "MiB") for part, size in sizes.items()]
    return [*found, Figure(f"memory {kind}, all parts", round(sum(sizes.values()) / 2**20), "MiB")]

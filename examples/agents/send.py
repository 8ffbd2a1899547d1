"""Sends finished OTLP requests over several connections, and retries as the OTLP specification asks.

An answer of success means that Kafka has the spans (design: no success before delivery), so acknowledged spans
can be counted on.
"""

from __future__ import annotations

import contextlib
import http.client
import queue
import random
import threading
import time
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

RETRYABLE_HTTP = {429, 502, 503, 504}
RETRYABLE_GRPC = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
GRPC_SERVICES = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
}
ANSWER_TIMEOUT = 30.0
"""Longer than the collector's own retries towards Kafka, so that it is the collector that gives up first."""


@dataclass(frozen=True)
class Request:
    """An encoded export request: its signal, how many spans or log records it holds, and its bytes."""

    signal: str
    """`traces` or `logs`."""
    count: int
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What became of a request."""

    acknowledged: int
    refused: int
    """Rejected by the endpoint, or given up on after retries."""
    retries: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Attempt:
    """One try: done with an answer, or to be repeated after `wait` seconds (None: the sender's own delay)."""

    answer: Answer | None
    problem: str = ""
    wait: float | None = None


class Door(Protocol):
    """One connection to an OTLP endpoint."""

    def attempt(self, request: Request) -> Attempt: ...
    def close(self) -> None: ...


def _rejected(request: Request, body: bytes) -> Answer:
    """The answer in a success response: partial success names how many were rejected, and why."""
    if request.signal == "traces":
        partial = ExportTraceServiceResponse.FromString(body).partial_success
        rejected = partial.rejected_spans
    else:
        partial = ExportLogsServiceResponse.FromString(body).partial_success
        rejected = partial.rejected_log_records
    return Answer(request.count - rejected, rejected, problem=partial.error_message if rejected else "")


class HttpDoor:
    """OTLP/HTTP with protobuf over one kept connection."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(
            parts.hostname or "localhost", parts.port or (443 if secure else 80), timeout=ANSWER_TIMEOUT
        )
        self._path = parts.path.rstrip("/")
        self._headers = {"Content-Type": "application/x-protobuf"} | (headers or {})

    def attempt(self, request: Request) -> Attempt:
        """One POST. A connection that breaks is opened anew by the next attempt."""
        try:
            self._connection.request("POST", f"{self._path}/v1/{request.signal}", request.body, self._headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return Attempt(None, f"{type(error).__name__}: {error}")
        if response.status == 200:
            return Attempt(_rejected(request, body))
        problem = f"HTTP {response.status}: {body[:200].decode(errors='replace')}"
        if response.status in RETRYABLE_HTTP:
            wait = None
            with contextlib.suppress(TypeError, ValueError):
                wait = float(response.headers["Retry-After"])
            return Attempt(None, problem, wait)
        return Attempt(Answer(0, request.count, problem=problem))

    def close(self) -> None:
        self._connection.close()


class GrpcDoor:
    """OTLP/gRPC over one channel; the request's bytes go out as they are."""

    def __init__(self, target: str, headers: dict[str, str] | None = None) -> None:
        self._channel = grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
        self._calls: dict[str, Any] = {
            signal: self._channel.unary_unary(
                f"/{service}/Export", request_serializer=bytes, response_deserializer=bytes
            )
            for signal, service in GRPC_SERVICES.items()
        }
        self._metadata = tuple((key.lower(), value) for key, value in (headers or {}).items())

    def attempt(self, request: Request) -> Attempt:
        """One call."""
        try:
            body = self._calls[request.signal](request.body, timeout=ANSWER_TIMEOUT, metadata=self._metadata)
        except grpc.RpcError as error:
            code, details = error.code(), error.details()  # pyright: ignore[reportAttributeAccessIssue]
            problem = f"gRPC {code.name}: {details}"
            if code in RETRYABLE_GRPC:
                return Attempt(None, problem)
            return Attempt(Answer(0, request.count, problem=problem))
        return Attempt(_rejected(request, body))

    def close(self) -> None:
        self._channel.close()


def deliver(door: Door, request: Request, patience: float) -> Answer:
    """Sends until there is an answer, for at most about `patience` seconds; waits longer after each retry."""
    deadline = time.monotonic() + patience
    delay, retries = 0.25, 0
    while True:
        attempt = door.attempt(request)
        if attempt.answer is not None:
            answer = attempt.answer
            return Answer(answer.acknowledged, answer.refused, retries, answer.problem)
        wait = attempt.wait if attempt.wait is not None else delay * random.uniform(0.8, 1.2)
        if time.monotonic() + wait > deadline:
            return Answer(0, request.count, retries, f"gave up after {retries + 1} tries: {attempt.problem}")
        time.sleep(wait)
        delay = min(delay * 2, 5.0)
        retries += 1


class Totals:
    """What all connections together have sent; safe to read while they work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.sent = self.acknowledged = self.refused = self.retries = 0
        self.problem = ""

    def add(self, request: Request, answer: Answer) -> None:
        with self._lock:
            self.retries += answer.retries
            self.problem = answer.problem or self.problem
            if request.signal == "traces":
                self.sent += request.count
                self.acknowledged += answer.acknowledged
                self.refused += answer.refused


class Sender:
    """Several connections that take requests from one short queue: who puts waits when they can't keep up."""

    def __init__(self, doors: list[Door], patience: float = 60.0) -> None:
        self.totals = Totals()
        self._patience = patience
        self._queue: queue.Queue[Request | None] = queue.Queue(maxsize=2 * len(doors))
        self._threads = [
            threading.Thread(target=self._work, args=(door,), name=f"otlp-{i}", daemon=True)
            for i, door in enumerate(doors)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, request: Request) -> None:
        """Hands `request` to the next free connection."""
        self._queue.put(request)

    def close(self) -> Totals:
        """Waits until every request has its answer."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        return self.totals

    def _work(self, door: Door) -> None:
        while (request := self._queue.get()) is not None:
            try:
                answer = deliver(door, request, self._patience)
            except Exception as error:  # a bug here must be counted, and must not leave put() waiting
                answer = Answer(0, request.count, problem=f"{type(error).__name__}: {error}")
            self.totals.add(request, answer)
        door.close()

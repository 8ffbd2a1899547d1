"""What the agents need of a tracer: OpenTelemetry's own span methods, and two things that offer them.

`Recorder` (here) keeps spans as plain data, fast enough for days of history; `SdkTelemetry` (live.py) is the
real opentelemetry-sdk. The program in program.py can't tell them apart.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from opentelemetry.trace import SpanKind, StatusCode

SCOPE_NAME = "examples.agents"
SCOPE_VERSION = "1.0.0"

Attribute = str | bool | int | float | Sequence[str]


@dataclass(frozen=True)
class Resource:
    """One process that sends telemetry: a tenant's deployment of a service."""

    tenant: str
    service: str
    environment: str
    """'' when the process does not say, as many don't."""

    def attributes(self) -> dict[str, Attribute]:
        """The resource attributes as the process sends them."""
        values: dict[str, Attribute] = {
            "service.name": self.service,
            "tenant.id": self.tenant,
            "service.version": "1.0.0",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "opentelemetry",
        }
        if self.environment:
            values["deployment.environment.name"] = self.environment
        return values


class Span(Protocol):
    """The part of opentelemetry.trace.Span that the agents use."""

    def set_attributes(self, attributes: Mapping[str, Any]) -> None: ...
    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None: ...
    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None: ...
    def set_status(self, status: StatusCode, description: str | None = None) -> None: ...
    def end(self, end_time: int | None = None) -> None: ...


class Telemetry(Protocol):
    """Starts spans and takes events, each for the process (resource) that it happens in."""

    def start_span(
        self,
        resource: Resource,
        name: str,
        parent: Any,
        kind: SpanKind,
        attributes: dict[str, Any],
        start_time: int,
    ) -> Any: ...
    def emit(
        self, resource: Resource, name: str, span: Any, timestamp: int, body: Any, attributes: dict[str, Any]
    ) -> None: ...


@dataclass(slots=True)
class RecordedSpan:
    """A span as plain data, with the methods of an OpenTelemetry span."""

    resource: Resource
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    kind: SpanKind
    attributes: dict[str, Any]
    start_time: int
    end_time: int = 0
    status: int = 0
    message: str = ""
    events: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.attributes.update(attributes)

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        self.events.append((timestamp or self.start_time, name, dict(attributes or {})))

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        kind = type(exception)
        values = {
            "exception.type": f"{kind.__module__}.{kind.__qualname__}",
            "exception.message": str(exception),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", values | dict(attributes or {}), timestamp)

    def set_status(self, status: StatusCode, description: str | None = None) -> None:
        self.status, self.message = status.value, description or ""

    def end(self, end_time: int | None = None) -> None:
        self.end_time = end_time or self.start_time


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An OTLP log record that carries an event."""

    resource: Resource
    name: str
    trace_id: bytes
    span_id: bytes
    timestamp: int
    body: Any
    attributes: dict[str, Any]


class Recorder:
    """Keeps what the agents report, in the order in which spans start; ids come from the given generator."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.spans: list[RecordedSpan] = []
        self.events: list[RecordedEvent] = []

    def start_span(
        self,
        resource: Resource,
        name: str,
        parent: RecordedSpan | None,
        kind: SpanKind,
        attributes: dict[str, Any],
        start_time: int,
    ) -> RecordedSpan:
        bits = self._rng.getrandbits
        span = RecordedSpan(
            resource,
            parent.trace_id if parent else (bits(128) | 1).to_bytes(16, "big"),
            (bits(64) | 1).to_bytes(8, "big"),
            parent.span_id if parent else b"",
            name,
            kind,
            attributes,
            start_time,
        )
        self.spans.append(span)
        return span

    def emit(
        self,
        resource: Resource,
        name: str,
        span: RecordedSpan,
        timestamp: int,
        body: Any,
        attributes: dict[str, Any],
    ) -> None:
        self.events.append(RecordedEvent(resource, name, span.trace_id, span.span_id, timestamp, body, attributes))

"""Live traffic: the agents under the real opentelemetry-sdk, spans exported when their (simulated) end has come."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import Logger, LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from examples.agents.generate import SPANS_PER_RUN, draw_session, play
from examples.agents.program import SECOND
from examples.agents.telemetry import SCOPE_NAME, SCOPE_VERSION, Recorder, Resource
from infra.endpoints import OtlpAddress


class CountingExporter(SpanExporter):
    """An OTLP exporter that also counts what was acknowledged and what was not."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.acknowledged = self.refused = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.acknowledged += len(spans)
        else:
            self.refused += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class Timeline:
    """Does things when their time has come: the agents run ahead in simulated time, their telemetry must not."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, when: int, action: Callable[[], None]) -> None:
        """Plans `action` for `when` (ns since 1970)."""
        heapq.heappush(self._waiting, (when, next(self._order), action))

    def next_time(self) -> int | None:
        """When the next action is due."""
        return self._waiting[0][0] if self._waiting else None

    def run_until(self, now: int) -> None:
        """Does all that is due at `now`."""
        while self._waiting and self._waiting[0][0] <= now:
            heapq.heappop(self._waiting)[2]()


class HoldBack(SpanProcessor):
    """Hands a span to the exporting processor when its end time has come."""

    def __init__(self, timeline: Timeline, then: SpanProcessor) -> None:
        self._timeline, self._then = timeline, then
        self.sent = 0

    def on_end(self, span: ReadableSpan) -> None:
        self._timeline.at(span.end_time or 0, lambda: self._release(span))

    def _release(self, span: ReadableSpan) -> None:
        self.sent += 1
        self._then.on_end(span)


class SdkTelemetry:
    """The agents' telemetry by opentelemetry-sdk: one provider a resource, all with the same exporters."""

    def __init__(self, timeline: Timeline, spans: SpanProcessor, logs: BatchLogRecordProcessor) -> None:
        self._timeline, self._spans, self._logs = timeline, spans, logs
        self._tracers: dict[Resource, trace.Tracer] = {}
        self._loggers: dict[Resource, Logger] = {}

    def _tracer(self, resource: Resource) -> trace.Tracer:
        if resource not in self._tracers:
            provider = TracerProvider(resource=SdkResource(resource.attributes()), shutdown_on_exit=False)
            provider.add_span_processor(self._spans)
            self._tracers[resource] = provider.get_tracer(SCOPE_NAME, SCOPE_VERSION)
        return self._tracers[resource]

    def _logger(self, resource: Resource) -> Logger:
        if resource not in self._loggers:
            provider = LoggerProvider(resource=SdkResource(resource.attributes()), shutdown_on_exit=False)
            provider.add_log_record_processor(self._logs)
            self._loggers[resource] = provider.get_logger(SCOPE_NAME, SCOPE_VERSION)
        return self._loggers[resource]

    def start_span(
        self,
        resource: Resource,
        name: str,
        parent: trace.Span | None,
        kind: SpanKind,
        attributes: dict[str, Any],
        start_time: int,
    ) -> trace.Span:
        context = trace.set_span_in_context(parent or trace.INVALID_SPAN)
        return self._tracer(resource).start_span(name, context, kind, attributes, start_time=start_time)

    def emit(
        self,
        resource: Resource,
        name: str,
        span: trace.Span,
        timestamp: int,
        body: Any,
        attributes: dict[str, Any],
    ) -> None:
        record = LogRecord(
            timestamp=timestamp,
            observed_timestamp=timestamp,
            context=trace.set_span_in_context(span),
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            body=body,
            attributes=attributes,
            event_name=name,
        )
        self._timeline.at(timestamp, lambda: self._logger(resource).emit(record))


def _exporters(
    otlp: OtlpAddress, protocol: str, headers: dict[str, str] | None
) -> tuple[SpanExporter, LogRecordExporter]:
    if protocol == "grpc":
        insecure = not otlp.http_url.startswith("https")
        metadata = tuple((key.lower(), value) for key, value in (headers or {}).items())
        return (
            GrpcSpanExporter(endpoint=otlp.grpc_target, insecure=insecure, headers=metadata),
            GrpcLogExporter(endpoint=otlp.grpc_target, insecure=insecure, headers=metadata),
        )
    return (
        HttpSpanExporter(endpoint=f"{otlp.http_url}/v1/traces", headers=headers),
        HttpLogExporter(endpoint=f"{otlp.http_url}/v1/logs", headers=headers),
    )


def stream(
    otlp: OtlpAddress,
    rate: float,
    duration: float,
    seed: int,
    headers: dict[str, str] | None,
    protocol: str,
    progress: Callable[[int, int], None],
    stop: threading.Event,
) -> tuple[int, int, int]:
    """Sends about `rate` spans a second for `duration` seconds. (sent, acknowledged, refused) spans.

    Every run ends within the time, evenly spread; a long one began earlier, and its first spans go out late, as
    they do when a process buffers. `progress` gets (sent, acknowledged) now and then; `stop` ends it early.
    """
    timeline = Timeline()
    span_exporter, log_exporter = _exporters(otlp, protocol, headers)
    counting = CountingExporter(span_exporter)
    batching = BatchSpanProcessor(
        counting, max_queue_size=200_000, schedule_delay_millis=200, max_export_batch_size=512
    )
    hold_back = HoldBack(timeline, batching)
    logs = BatchLogRecordProcessor(log_exporter, schedule_delay_millis=500)
    telemetry = SdkTelemetry(timeline, hold_back, logs)

    first = time.time_ns()
    runs = max(1, round(rate * duration / SPANS_PER_RUN))
    for number in range(runs):
        due = first + int((number + 0.5) / runs * duration * SECOND)
        timeline.at(due - SECOND, lambda n=number, due=due: _run_ending_at(telemetry, seed, n, due))
    last_report = 0.0
    while (due := timeline.next_time()) is not None and not stop.is_set():
        timeline.run_until(time.time_ns())
        if time.monotonic() - last_report > 0.5:
            last_report = time.monotonic()
            progress(hold_back.sent, counting.acknowledged)
        if (due := timeline.next_time()) is not None:
            stop.wait(min(0.1, max(0.0, (due - time.time_ns()) / SECOND)))
    batching.force_flush(60_000)
    batching.shutdown()
    logs.force_flush(30_000)
    logs.shutdown()
    refused = hold_back.sent - counting.acknowledged
    progress(hold_back.sent, counting.acknowledged)
    return hold_back.sent, counting.acknowledged, refused


def _run_ending_at(telemetry: SdkTelemetry, seed: int, number: int, due: int) -> None:
    """Plays run `number` so that it ends at `due`: once on a stopwatch, then in earnest."""
    key = f"{seed}/live/{number}"
    rng = random.Random(key)
    length = play(Recorder(random.Random()), rng, draw_session(rng), 0)
    rng = random.Random(key)
    play(telemetry, rng, draw_session(rng), due - length)

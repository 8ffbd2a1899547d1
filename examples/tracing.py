"""What each agent process needs once: a tracer provider that tells who it is and keeps its spans until they are taken."""

from __future__ import annotations

import signal
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

EXPORT_SECONDS = 60
"""For one batch with its retries. The default of 10 s drops a batch after a broker's restart; in 60 s the exporter makes
all its six attempts, half a minute apart from the first to the last. What has to outlast longer outages needs a
collector of its own beside the agent, with a queue on disk."""
QUEUED_SPANS = 65_536
"""Waiting in memory while a batch is retried (about 2 KiB each without prompts). The default of 2,048 is what a busy
agent makes in seconds; what comes after that is dropped, with "Queue full, dropping" in the log."""
BATCH_SPANS = 1_024
"""With prompts in the spans a request has to stay below the collector's limit (collectorBodyLimitMiB): take less then."""


def configure(service: str, version: str) -> TracerProvider:
    """Sets the process's tracer provider. Where to and as whom comes from the environment, as with any OpenTelemetry SDK:

    OTEL_EXPORTER_OTLP_ENDPOINT  http://127.0.0.1:4318, or the stack's output otlpHttp
    OTEL_EXPORTER_OTLP_HEADERS   Authorization=Bearer%20<token of `telemetry tenants add`>
    OTEL_RESOURCE_ATTRIBUTES     deployment.environment.name=dev,tenant.id=acme (the tenant without a token only: with
                                 one, the tenant is who signed in)
    """
    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.version": version}))
    exporter = OTLPSpanExporter(timeout=EXPORT_SECONDS, compression=Compression.Gzip)
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=QUEUED_SPANS, max_export_batch_size=BATCH_SPANS)
    )
    trace.set_tracer_provider(provider)
    # The provider sends what is left when the interpreter exits; a container's SIGTERM must end it that way.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    return provider

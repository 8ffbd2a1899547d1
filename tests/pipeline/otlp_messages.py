"""OTLP export requests for tests, built from plain Python values."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SECOND = 10**9


def any_value(value: Any) -> AnyValue:
    """`value` as OTLP's AnyValue; None is one with nothing set."""
    result = AnyValue()
    if isinstance(value, bool):
        result.bool_value = value
    elif isinstance(value, int):
        result.int_value = value
    elif isinstance(value, float):
        result.double_value = value
    elif isinstance(value, str):
        result.string_value = value
    elif isinstance(value, bytes):
        result.bytes_value = value
    elif isinstance(value, list):
        result.array_value.SetInParent()
        result.array_value.values.extend(any_value(item) for item in value)
    elif isinstance(value, dict):
        result.kvlist_value.SetInParent()
        result.kvlist_value.values.extend(attributes(value))
    return result


def attributes(values: Mapping[str, Any]) -> list[KeyValue]:
    """A list of attributes, in the mapping's order."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def span(name: str = "step", values: Mapping[str, Any] | None = None, **fields: Any) -> Span:
    """A span of one millisecond, now, with ids of its own; `fields` replace what the message would hold."""
    now = time.time_ns()
    given = {
        "trace_id": secrets.token_bytes(16),
        "span_id": secrets.token_bytes(8),
        "start_time_unix_nano": now,
        "end_time_unix_nano": now + 1_000_000,
    } | fields
    return Span(name=name, attributes=attributes(values or {}), **given)


def traces(
    tenant: str | None,
    *spans: Span,
    resource: Mapping[str, Any] | None = None,
    scope: Mapping[str, Any] | None = None,
) -> ExportTraceServiceRequest:
    """A request of these spans in one resource and one scope. `tenant`: the resource's tenant.id; None: none."""
    request = ExportTraceServiceRequest()
    found = request.resource_spans.add()
    found.resource.attributes.extend(attributes(_resource(tenant, resource)))
    scope_spans = found.scope_spans.add(spans=spans)
    if scope:
        scope_spans.scope.attributes.extend(attributes(scope))
    return request


def logs(tenant: str | None, *records: LogRecord) -> ExportLogsServiceRequest:
    """A request of these log records."""
    request = ExportLogsServiceRequest()
    found = request.resource_logs.add()
    found.resource.attributes.extend(attributes(_resource(tenant, None)))
    found.scope_logs.add(log_records=records)
    return request


def _resource(tenant: str | None, more: Mapping[str, Any] | None) -> dict[str, Any]:
    named = {} if tenant is None else {"tenant.id": tenant}
    return {**named, "service.name": "shop", **(more or {})}

"""The hand-written OTLP encoder and the recorded file: what opentelemetry-proto reads is what was recorded."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.trace import SpanKind

from examples.agents import generate, record, wire
from examples.agents.telemetry import RecordedEvent, RecordedSpan, Resource
from tests import workload
from tests.oracle_data import plain

START = datetime(2026, 11, 1, tzinfo=UTC)
RESOURCE = Resource("acme", "planner", "")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "text",
        "üñí 漢字 🎫" * 100,
        True,
        False,
        0,
        1,
        127,
        128,
        2**63 - 1,
        -1,
        -(2**63),
        0.0,
        0.1,
        -1e300,
        ["a", "b"],
        [],
        {"a": 1, "b": {"c": ["d"]}},
    ],
)
def test_every_type_of_value_comes_back(value: object):
    decoded = plain(AnyValue.FromString(wire.any_value(value)))
    assert decoded == value
    assert type(decoded) is type(value)


def test_a_span_comes_back_with_all_that_it_has():
    span = RecordedSpan(
        RESOURCE,
        bytes(range(16)),
        bytes(range(8)),
        bytes(range(8, 16)),
        "chat gpt-4o",
        SpanKind.CLIENT,
        {"a": "b", "n": 3, "f": 0.5, "yes": True, "list": ["x"]},
        1_793_491_365_956_833_175,
        1_793_491_422_287_521_072,
        2,
        "broken",
        [(1_793_491_365_956_833_176, "exception", {"exception.type": "X", "attempt": 1})],
    )
    batch = wire.Batch()
    batch.add(span)
    count, body = batch.take()
    request = ExportTraceServiceRequest.FromString(body)
    (resource_spans,) = request.resource_spans
    assert {item.key: plain(item.value) for item in resource_spans.resource.attributes} == RESOURCE.attributes()
    assert resource_spans.scope_spans[0].scope.name == "examples.agents"
    (decoded,) = resource_spans.scope_spans[0].spans
    assert (count, batch.count) == (1, 0)
    assert (decoded.trace_id, decoded.span_id, decoded.parent_span_id) == (
        span.trace_id,
        span.span_id,
        span.parent_id,
    )
    assert (decoded.name, decoded.kind) == ("chat gpt-4o", 3)
    assert (decoded.start_time_unix_nano, decoded.end_time_unix_nano) == (span.start_time, span.end_time)
    assert {item.key: plain(item.value) for item in decoded.attributes} == span.attributes
    assert (decoded.status.code, decoded.status.message) == (2, "broken")
    (event,) = decoded.events
    assert (event.name, event.time_unix_nano) == ("exception", 1_793_491_365_956_833_176)
    assert {item.key: plain(item.value) for item in event.attributes} == {"exception.type": "X", "attempt": 1}


def test_an_event_comes_back_as_a_log_record():
    event = RecordedEvent(RESOURCE, "user.feedback", bytes(16), bytes(8), 5, {"rating": 5}, {"user.id": "u"})
    batch = wire.Batch()
    batch.add(event)
    request = ExportLogsServiceRequest.FromString(batch.take()[1])
    (decoded,) = request.resource_logs[0].scope_logs[0].log_records
    assert (decoded.event_name, decoded.time_unix_nano, decoded.severity_number) == ("user.feedback", 5, 9)
    assert plain(decoded.body) == {"rating": 5}
    assert decoded.trace_id == bytes(16)
    assert plain(decoded.attributes[0].value) == "u"


def test_the_whole_workload_is_valid_otlp_and_complete():
    start = START
    expected = {
        span.span_id: span for run in generate(11, 3000, start, start + timedelta(hours=6)) for span in run.spans
    }
    found = 0
    for body in workload.requests(3000, seed=11, start=start):
        request = ExportTraceServiceRequest.FromString(body)
        assert request.SerializeToString() == body
        for resource_spans in request.resource_spans:
            tenant = next(i.value.string_value for i in resource_spans.resource.attributes if i.key == "tenant.id")
            for span in resource_spans.scope_spans[0].spans:
                source = expected[span.span_id]
                assert tenant == source.resource.tenant
                assert span.name == source.name
                assert {item.key: plain(item.value) for item in span.attributes} == source.attributes
                assert len(span.events) == len(source.events)
                found += 1
    assert found == 3000


def test_the_recorded_file_is_the_same_for_a_seed_and_reads_back(tmp_path: Path):
    requests = list(record.record(800, 5, START))
    record.write(tmp_path / "a", requests)
    record.write(tmp_path / "b", record.record(800, 5, START))
    record.write(tmp_path / "c", record.record(800, 6, START))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()
    assert list(record.read(tmp_path / "a")) == requests
    assert sum(item.count for item in requests if item.signal == "traces") == 800
    assert {item.signal for item in requests} == {"traces", "logs"}


def test_another_file_is_refused_by_name(tmp_path: Path):
    (tmp_path / "x").write_bytes(b"something else")
    with pytest.raises(ValueError, match="is not a recorded workload"):
        list(record.read(tmp_path / "x"))


def test_otlp_json_has_hex_ids_and_the_same_content():
    import json

    body = workload.requests(200, seed=2, start=START)[0]
    request = workload.decode(body)
    value = json.loads(workload.to_json(body))
    first = request.resource_spans[0].scope_spans[0].spans[0]
    told = value["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert told["traceId"] == first.trace_id.hex()
    assert told["spanId"] == first.span_id.hex()
    assert told["startTimeUnixNano"] == str(first.start_time_unix_nano)
    assert told["kind"] == first.kind

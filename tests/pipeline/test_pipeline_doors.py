"""OTLP in, a row out: every protocol, plain and compressed, into both Kafka encodings; metrics are refused."""

from __future__ import annotations

import gzip
import json
import urllib.error
import urllib.request
from collections.abc import Callable

import grpc
import pytest
from confluent_kafka import Consumer, TopicPartition
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from infra import otlp
from tests import workload
from tests.pipeline.live import Pipeline
from tests.pipeline.otlp_messages import SECOND, span, traces

Door = Callable[[Pipeline, ExportTraceServiceRequest, str], None]


def http_protobuf(pipeline: Pipeline, request: ExportTraceServiceRequest, tenant: str) -> None:
    answer = otlp.send(pipeline.stack.otlp.http_url, request.SerializeToString(), headers=pipeline.headers(tenant))
    assert ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans == 0


def http_protobuf_gzip(pipeline: Pipeline, request: ExportTraceServiceRequest, tenant: str) -> None:
    headers = {**pipeline.headers(tenant), "Content-Encoding": "gzip"}
    otlp.send(pipeline.stack.otlp.http_url, gzip.compress(request.SerializeToString()), headers=headers)


def http_json(pipeline: Pipeline, request: ExportTraceServiceRequest, tenant: str, compressed: bool = False) -> None:
    body = workload.to_json(request.SerializeToString())
    headers = {**pipeline.headers(tenant), "Content-Type": "application/json"}
    if compressed:
        body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
    url = f"{pipeline.stack.otlp.http_url}/v1/traces"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as response:
        assert json.loads(response.read()) == {"partialSuccess": {}}


def http_json_gzip(pipeline: Pipeline, request: ExportTraceServiceRequest, tenant: str) -> None:
    http_json(pipeline, request, tenant, compressed=True)


def over_grpc(
    pipeline: Pipeline,
    request: ExportTraceServiceRequest,
    tenant: str,
    compression: grpc.Compression = grpc.Compression.NoCompression,
) -> None:
    metadata = [(key.lower(), value) for key, value in pipeline.headers(tenant).items()]
    with grpc.insecure_channel(pipeline.stack.otlp.grpc_target) as channel:
        TraceServiceStub(channel).Export(request, timeout=10, metadata=metadata, compression=compression)


def over_grpc_gzip(pipeline: Pipeline, request: ExportTraceServiceRequest, tenant: str) -> None:
    over_grpc(pipeline, request, tenant, grpc.Compression.Gzip)


DOORS: list[Door] = [http_protobuf, http_protobuf_gzip, http_json, http_json_gzip, over_grpc, over_grpc_gzip]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_a_request_becomes_a_row_with_all_that_the_span_says(pipeline: Pipeline, tenant: str, door: Door) -> None:
    sent = span("plan", {"agent_name": "planner"}, kind=3, parent_span_id=b"parent!!", trace_state="a=b")
    sent.end_time_unix_nano = sent.start_time_unix_nano + 1_234_567_000
    sent.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="it broke"))
    sent.links.add(trace_id=b"other trace id !", span_id=b"other id")
    request = traces(tenant, sent)
    request.resource_spans[0].scope_spans[0].scope.name = "my.scope"
    request.resource_spans[0].scope_spans[0].scope.version = "1.2"
    door(pipeline, request, tenant)
    row = pipeline.span(tenant)
    assert {key: row[key] for key in ("trace_id", "span_id", "parent_span_id")} == {
        "trace_id": sent.trace_id.hex(),
        "span_id": sent.span_id.hex(),
        "parent_span_id": b"parent!!".hex(),
    }
    assert (row["service_name"], row["operation"], row["kind"], row["env"]) == (
        "shop",
        "plan",
        "client",
        "local",
    )
    assert (row["status_code"], row["status_message"]) == ("error", "it broke")
    assert (row["scope_name"], row["scope_version"]) == ("my.scope", "1.2")
    assert (row["duration_ms"], row["agent_name"], row["invalid_fields"]) == (1234.567, "planner", [])
    assert row["attributes"] == {"agent_name": "planner"}
    (exact,) = pipeline.rows(
        "SELECT toUnixTimestamp64Nano(start_ts) AS started, toUnixTimestamp64Nano(end_ts) AS ended, "
        "arrayMap(l -> (lower(hex(l.1)), lower(hex(l.2))), links) AS linked, topic, partition, offset "
        "FROM telemetry.spans WHERE tenant_id = {tenant:String}",
        tenant=tenant,
    )
    assert (exact["started"], exact["ended"]) == (sent.start_time_unix_nano, sent.end_time_unix_nano)
    assert exact["linked"] == [(b"other trace id !".hex(), b"other id".hex())]
    assert exact["topic"] == "otel-spans"


def test_kafka_holds_whole_requests_in_the_stacks_encoding(pipeline: Pipeline, tenant: str) -> None:
    pipeline.send(traces(tenant, span("one"), span("two")), tenant)
    row = pipeline.spans(tenant, 2)[0]
    servers = pipeline.stack.kafka.bootstrap_servers
    consumer = Consumer({"bootstrap.servers": servers, "group.id": tenant, "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition("otel-spans", row["partition"], row["offset"])])
        message = consumer.poll(20)
    finally:
        consumer.close()
    assert message is not None and message.error() is None
    value = message.value()
    assert value is not None
    # The collector may put others' requests (the canary's) into the same message, each whole.
    if pipeline.encoding == "otlp_proto":
        names = [[s.name for s in one.scope_spans[0].spans] for one in workload.decode(value).resource_spans]
    else:
        names = [[s["name"] for s in one["scopeSpans"][0]["spans"]] for one in json.loads(value)["resourceSpans"]]
    assert ["one", "two"] in names


def test_one_request_may_hold_several_resources_and_scopes(pipeline: Pipeline, tenant: str) -> None:
    request = traces(tenant, span("first"))
    request.resource_spans[0].scope_spans.add(spans=[span("second")])
    request.MergeFrom(traces(tenant, span("third"), resource={"service.name": "other", "deployment.environment": "qa"}))
    pipeline.send(request, tenant)
    found = {row["operation"]: (row["service_name"], row["env"]) for row in pipeline.spans(tenant, 3)}
    assert found == {"first": ("shop", "local"), "second": ("shop", "local"), "third": ("other", "qa")}


def test_metrics_are_refused_in_the_protocols_own_words(pipeline: Pipeline, tenant: str) -> None:
    headers = {**pipeline.headers(tenant), "Content-Type": "application/x-protobuf"}
    request = urllib.request.Request(f"{pipeline.stack.otlp.http_url}/v1/metrics", b"", headers)
    with pytest.raises(urllib.error.HTTPError) as http:
        urllib.request.urlopen(request, timeout=10)
    assert http.value.code == 404
    metadata = [(key.lower(), value) for key, value in pipeline.headers(tenant).items()]
    with (
        grpc.insecure_channel(pipeline.stack.otlp.grpc_target) as channel,
        pytest.raises(grpc.RpcError) as over,
    ):
        MetricsServiceStub(channel).Export(ExportMetricsServiceRequest(), timeout=10, metadata=metadata)
    assert over.value.code() == grpc.StatusCode.UNIMPLEMENTED  # type: ignore[attr-defined]


def test_a_request_above_the_body_limit_is_refused_for_good(pipeline: Pipeline, tenant: str) -> None:
    limit = pipeline.stack.settings.collectorBodyLimitMiB * 2**20
    with pytest.raises(otlp.OtlpRefused) as refused:
        pipeline.send(traces(tenant, span("big", {"text": "x" * limit})), tenant)
    assert refused.value.status in (400, 413) and not refused.value.retryable


def test_a_body_that_is_no_otlp_is_refused_for_good_and_never_reaches_kafka(pipeline: Pipeline, tenant: str) -> None:
    with pytest.raises(otlp.OtlpRefused) as refused:
        otlp.send(pipeline.stack.otlp.http_url, b"\xff\xff\xff", headers=pipeline.headers(tenant))
    assert refused.value.status == 400
    pipeline.send(traces(tenant, span("after", start_time_unix_nano=span().start_time_unix_nano - SECOND)), tenant)
    assert pipeline.span(tenant)["operation"] == "after"

"""Sending: retries what OTLP calls retryable, counts what was rejected, and never says acknowledged too early."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from examples.agents import demo
from examples.agents.send import Answer, GrpcDoor, HttpDoor, Request, Sender, deliver
from infra.endpoints import OtlpAddress
from infra.errors import UserError
from tests.otlp_stub import otlp_stub
from tests.ports import free_port

REQUEST = Request("traces", 10, b"")


def send(url: str, patience: float = 20.0) -> Answer:
    door = HttpDoor(url)
    try:
        return deliver(door, REQUEST, patience)
    finally:
        door.close()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_retryable_answer_is_retried_until_it_succeeds(status: int):
    with otlp_stub((status, {}, b"busy")) as stub:
        assert send(stub.url) == Answer(10, 0, retries=1)
        assert len(stub.received) == 2


def test_retry_after_is_honoured():
    with otlp_stub((503, {"Retry-After": "0"}, b""), (503, {"Retry-After": "0"}, b"")) as stub:
        assert send(stub.url).retries == 2
    with otlp_stub((503, {"Retry-After": "60"}, b"")) as stub:
        answer = send(stub.url, patience=1.0)
        assert (answer.acknowledged, answer.refused) == (0, 10)
        assert len(stub.received) == 1


@pytest.mark.parametrize("status", [400, 401, 413, 500])
def test_another_answer_is_final_and_counts_as_refused(status: int):
    with otlp_stub((status, {}, b"no")) as stub:
        assert send(stub.url) == Answer(0, 10, problem=f"HTTP {status}: no")
        assert len(stub.received) == 1


def test_partial_success_counts_the_rejected():
    partial = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=3, error_message="too old")
    )
    with otlp_stub((200, {}, partial.SerializeToString())) as stub:
        assert send(stub.url) == Answer(7, 3, problem="too old")


def test_a_closed_port_is_retried_and_then_given_up():
    # The first try alone may take a second on a busy machine.
    answer = send(f"http://127.0.0.1:{free_port()}", patience=4)
    assert (answer.acknowledged, answer.refused) == (0, 10)
    assert answer.retries >= 1
    assert "gave up" in answer.problem


def test_all_connections_together_deliver_every_request_once():
    with otlp_stub((503, {}, b""), (200, {}, b""), (502, {}, b"")) as stub:
        sender = Sender([HttpDoor(stub.url) for _ in range(3)])
        for number in range(20):
            sender.put(Request("traces", 5, b"" if number else b"\x0a\x00"))
        totals = sender.close()
        assert (totals.sent, totals.acknowledged, totals.refused, totals.retries) == (100, 100, 0, 2)
        assert len(stub.accepted) == 20


class GrpcStub(grpc.GenericRpcHandler):
    """A TraceService that is unavailable at first."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.bodies: list[bytes] = []
        self.span_ids: list[str] = []
        self._lock = threading.Lock()

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method
        return grpc.unary_unary_rpc_method_handler(
            lambda body, context: self._export(method, body, context),
            request_deserializer=bytes,
            response_serializer=bytes,
        )

    def _export(self, method: str, body: bytes, context: Any) -> bytes:
        with self._lock:
            self.failures -= 1
            if self.failures >= 0:
                context.abort(grpc.StatusCode.UNAVAILABLE, "no broker")
            self.bodies.append(body)
            if "TraceService" in method:
                self.span_ids += count_spans([("/v1/traces", body)])
        return b""


def test_grpc_retries_what_is_unavailable():
    server = grpc.server(ThreadPoolExecutor(2))
    stub = GrpcStub(failures=1)
    server.add_generic_rpc_handlers((stub,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    door = GrpcDoor(f"127.0.0.1:{port}")
    try:
        assert deliver(door, Request("traces", 4, b"\x0a\x00"), 20.0) == Answer(4, 0, retries=1)
        assert stub.bodies == [b"\x0a\x00"]
    finally:
        door.close()
        server.stop(None).wait()


def test_the_whole_demo_runs_over_grpc_too():
    server = grpc.server(ThreadPoolExecutor(4))
    stub = GrpcStub(failures=0)
    server.add_generic_rpc_handlers((stub,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        result = demo.run(
            OtlpAddress("http://127.0.0.1:1", f"127.0.0.1:{port}"),
            rate=100,
            duration=1,
            history_days=1,
            history_spans=500,
            protocol="grpc",
        )
    finally:
        server.stop(None).wait()
    assert result.sent == result.acknowledged == len(set(stub.span_ids)) > 500


def count_spans(bodies: list[tuple[str, bytes]]) -> list[str]:
    return [
        span.span_id.hex()
        for path, body in bodies
        if path == "/v1/traces"
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


def test_the_demo_sends_history_and_live_traffic_and_knows_what_was_acknowledged():
    seen = []
    with otlp_stub() as stub:
        result = demo.run(
            OtlpAddress(stub.url, ""),
            rate=200,
            duration=2,
            seed=3,
            history_days=1,
            history_spans=2000,
            progress=seen.append,
            headers={"Authorization": "Bearer x"},
        )
        ids = count_spans(stub.accepted)
        assert any(path == "/v1/logs" for path, _ in stub.accepted)
        assert all(headers.get("authorization") == "Bearer x" for headers in stub.headers)
    assert len(ids) == len(set(ids)) == result.sent == result.acknowledged
    assert result.refused == 0
    assert result.sent > 2000 + 100
    assert {item.phase for item in seen} == {"history", "live"}
    assert seen[-1].acknowledged == result.acknowledged - 2000


def test_live_spans_go_out_when_they_have_ended_and_carry_explicit_times():
    import time

    with otlp_stub() as stub:
        began = time.time_ns()
        demo.run(OtlpAddress(stub.url, ""), rate=100, duration=1.5, seed=1, history_days=0)
        ended = time.time_ns()
        for path, body in stub.accepted:
            if path != "/v1/traces":
                continue
            for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
                for span in resource_spans.scope_spans[0].spans:
                    assert span.end_time_unix_nano <= ended
                    assert span.start_time_unix_nano <= span.end_time_unix_nano
                    if not span.parent_span_id:
                        assert span.end_time_unix_nano >= began


def test_an_endpoint_that_is_not_there_is_one_clear_message():
    with pytest.raises(UserError, match="is the stack up"):
        demo.run(OtlpAddress(f"http://127.0.0.1:{free_port()}", ""), rate=1, duration=1)


def test_a_refused_token_says_so():
    with otlp_stub((401, {}, b"unauthorized")) as stub, pytest.raises(UserError, match="pass a token"):
        demo.run(OtlpAddress(stub.url, ""), rate=1, duration=1)

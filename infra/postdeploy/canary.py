"""The canary: one trace by OTLP, and the seconds until ClickHouse returns it. A post-deploy step and the worker's."""

from __future__ import annotations

import datetime
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from infra import otlp as otlp_http
from infra.dynamic import plain_props
from infra.endpoints import (
    ClickHouseEndpoint,
    OtlpAddress,
    OtlpEndpoint,
    access_from_dict,
)
from infra.errors import UserError
from infra.paths import SQL
from infra.postdeploy.clickhouse_inputs import clickhouse_inputs, client_of
from infra.shards import for_readers

if TYPE_CHECKING:  # slow to import, and the Pulumi program only declares this step
    from clickhouse_connect.driver.client import Client

TENANT = "canary"
SERVICE = "agent-telemetry-canary"


def _request(trace_id: bytes, now_ns: int) -> bytes:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource as OtlpResource
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

    span = Span(
        trace_id=trace_id,
        span_id=secrets.token_bytes(8),
        name="canary",
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=now_ns,
        end_time_unix_nano=now_ns + 1_000_000,
    )
    named = {"service.name": SERVICE, "tenant.id": TENANT}
    attributes = [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in named.items()]
    resource = OtlpResource(attributes=attributes)
    spans = ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=[span])])
    return ExportTraceServiceRequest(resource_spans=[spans]).SerializeToString()


def probe(otlp: OtlpAddress, headers: Mapping[str, str], client: Client, timeout: float) -> float:
    """Sends one trace and returns the seconds from the collector's success to the row's appearance.

    Raises UserError, which names the hop, when it was refused or did not arrive within `timeout` seconds.
    """
    from clickhouse_connect.driver.exceptions import ClickHouseError

    deadline = time.monotonic() + timeout
    trace_id, started = secrets.token_bytes(16), time.time_ns()
    body = _request(trace_id, started)
    while True:
        try:
            otlp_http.send(otlp.http_url, body, headers=headers)
            break
        except otlp_http.OtlpRefused as refused:
            # 401: a credential that was made for this step reaches the collector within a second.
            if not (refused.retryable or refused.status == 401) or time.monotonic() > deadline:
                raise UserError(f"the canary's trace was not accepted by the collector: {refused}") from None
            time.sleep(0.2)
    accepted = time.monotonic()
    query = for_readers(client, (SQL / "queries" / "canary.sql").read_text())
    at = datetime.datetime.fromtimestamp(started / 1e9, datetime.UTC)
    parameters = {"tenant": TENANT, "started": at, "trace_id": trace_id.hex()}
    error = ""
    while time.monotonic() < deadline:
        try:
            if client.query(query, parameters=parameters).result_rows[0][0]:
                return time.monotonic() - accepted
        except ClickHouseError as failure:
            error = f" ClickHouse's last answer: {failure}"
        time.sleep(0.02)
    raise UserError(
        f"the collector accepted the canary's trace {trace_id.hex()} but ClickHouse did not return it within "
        f"{timeout:.0f} s; `telemetry audit` shows whether Kafka has it and ClickHouse reads it.{error}"
    )


class CanaryProvider(ResourceProvider):
    """Inputs: OTLP and ClickHouse addresses with their access, `trigger`, `timeout`. Output: delay_seconds."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        return DiffResult(
            changes=any(olds.get(key) != value for key, value in plain_props(news).items() if key != "delay_seconds")
        )

    def _run(self, props: dict[str, Any]) -> dict[str, Any]:
        otlp = OtlpAddress(**props["otlp"])
        with (
            client_of(props) as client,
            access_from_dict(props["otlp_access"]).open(TENANT) as headers,
        ):
            delay = probe(otlp, headers, client, float(props["timeout"]))
        return {**plain_props(props), "delay_seconds": round(delay, 3)}

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult("canary", self._run(props))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult(id_, plain_props(props))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(self._run(news))


class Canary(Resource, module="postdeploy", name="Canary"):
    """Runs when it is made and again when `trigger` or an endpoint changes. `delay_seconds` is what it measured."""

    delay_seconds: pulumi.Output[float]

    def __init__(
        self,
        name: str,
        otlp: OtlpEndpoint,
        clickhouse: ClickHouseEndpoint,
        trigger: Mapping[str, pulumi.Input[str]],
        timeout: float = 60.0,
        opts: pulumi.ResourceOptions | None = None,
    ):
        props = {
            "otlp": {"http_url": otlp.http_url, "grpc_target": otlp.grpc_target},
            "otlp_access": otlp.access,
            **clickhouse_inputs(clickhouse),
            "trigger": dict(trigger),
            "timeout": timeout,
            "delay_seconds": None,
        }
        super().__init__(CanaryProvider(), name, props, opts)

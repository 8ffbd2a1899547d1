"""Parts die under load: what was acknowledged is stored, once, and what was not was told so in time."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from infra import otlp
from infra.local.supervisor import Control
from tests.pipeline.live import Pipeline, differences
from tests.pipeline.otlp_messages import span, traces

SDK_SECONDS = 10.0
"""After which the Python SDK's exporter gives up on an answer."""
BACK_SECONDS = 60.0
SPANS_A_REQUEST = 20


@dataclass
class Load:
    """Two clients that send as an SDK does: the same request again after a retryable answer."""

    pipeline: Pipeline
    tenant: str
    acknowledged: list[bytes] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def _request(self) -> tuple[bytes, list[Span]]:
        spans = [span("load", {"tokens.prompt": 1, "model": "m", "cost.usd": "0.001"}) for _ in range(SPANS_A_REQUEST)]
        return traces(self.tenant, *spans).SerializeToString(), spans

    def client(self, stop: threading.Event) -> None:
        """Sends until `stop`; a request that was refused is sent again until it is taken."""
        headers = self.pipeline.headers(self.tenant)
        while not stop.is_set():
            body, spans = self._request()
            while True:
                began = time.monotonic()
                try:
                    otlp.send(self.pipeline.stack.otlp.http_url, body, headers=headers, timeout=SDK_SECONDS)
                    self.acknowledged += [item.span_id for item in spans]
                    break
                except otlp.OtlpRefused as refused:
                    self.refused.append(refused.status)
                    if not refused.retryable:
                        self.wrong.append(str(refused))
                        return
                finally:
                    self.slowest = max(self.slowest, time.monotonic() - began)
                if stop.is_set():
                    return


@contextmanager
def load(pipeline: Pipeline, tenant: str) -> Iterator[Load]:
    """Load for the length of the block."""
    pipeline.headers(tenant)
    made, stop = Load(pipeline, tenant), threading.Event()
    threads = [threading.Thread(target=made.client, args=(stop,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def kill(pipeline: Pipeline, part: str) -> int:
    """Kills the part and every process of it, as the kernel's out-of-memory killer would."""
    process = psutil.Process(pipeline.pid(part))
    family = [*process.children(recursive=True), process]
    for item in family:
        os.kill(item.pid, signal.SIGKILL)
    return process.pid


def running_again(pipeline: Pipeline, part: str, before: int) -> bool:
    info = Control(pipeline.stack.run).processes()[part]
    return info["statename"] == "RUNNING" and info["pid"] != before


def stored(pipeline: Pipeline, tenant: str) -> set[bytes]:
    sql = "SELECT lower(hex(span_id)) AS id FROM telemetry.spans_raw WHERE tenant_id = {t:String}"
    return {bytes.fromhex(row["id"]) for row in pipeline.rows(sql, t=tenant)}


def everything_once(pipeline: Pipeline, tenant: str, acknowledged: set[bytes]) -> None:
    pipeline.until(
        lambda: acknowledged <= stored(pipeline, tenant) and pipeline.lag() == 0,
        lambda: f"{len(acknowledged - stored(pipeline, tenant))} acknowledged spans to be stored; lag {pipeline.lag()}",
        BACK_SECONDS,
    )
    counts = (
        "SELECT (SELECT count() FROM telemetry.spans WHERE tenant_id = {t:String}) AS rows, "
        "(SELECT sum(spans) FROM telemetry.spans_minute WHERE tenant_id = {t:String}) AS spans, "
        "(SELECT (sum(calls), sum(tokens_prompt)) FROM telemetry.cost_minute WHERE tenant_id = {t:String}) AS cost, "
        "(SELECT sum(steps) FROM telemetry.runs WHERE tenant_id = {t:String}) AS steps"
    )
    # A request that was sent again after a lost answer may be there twice; each of its spans counts once.
    number = len(stored(pipeline, tenant))
    right = {"rows": number, "spans": number, "cost": (number, number), "steps": number}
    pipeline.until(
        lambda: pipeline.rows(counts, t=tenant) == [right],
        lambda: f"{pipeline.rows(counts, t=tenant)} to become {right}",
        BACK_SECONDS,
    )
    assert number >= len(acknowledged)


def until_more(made: Load, requests: int, seconds: float = BACK_SECONDS) -> None:
    """Waits until so many more requests were taken."""
    goal = len(made.acknowledged) + requests * SPANS_A_REQUEST
    made.pipeline.until(lambda: len(made.acknowledged) >= goal or made.wrong, f"{requests} more requests", seconds)
    assert made.wrong == []


def test_a_killed_clickhouse_loses_nothing_and_counts_nothing_twice(pipeline: Pipeline, tenant: str) -> None:
    with load(pipeline, tenant) as made:
        until_more(made, 10)
        before = kill(pipeline, "clickhouse")
        until_more(made, 10)
        pipeline.until(lambda: running_again(pipeline, "clickhouse", before), "ClickHouse runs again", BACK_SECONDS)
        pipeline.until(lambda: stored(pipeline, tenant), "ClickHouse answers", BACK_SECONDS)
        until_more(made, 10)
    assert made.refused == [], "agents notice nothing: Kafka is the buffer"
    everything_once(pipeline, tenant, set(made.acknowledged))
    assert [text for text in differences(pipeline.audit()) if not text.startswith("offsets")] == []


def test_a_killed_broker_is_a_retryable_answer_in_time_and_loses_nothing_that_was_acknowledged(
    json_jwt: Pipeline, tenant: str
) -> None:
    with load(json_jwt, tenant) as made:
        until_more(made, 10)
        before = kill(json_jwt, "kafka")
        json_jwt.until(lambda: running_again(json_jwt, "kafka", before), "the broker runs again", BACK_SECONDS)
        until_more(made, 10)
    assert set(made.refused) <= {503}, made.refused
    assert made.slowest < SDK_SECONDS, "an SDK has its answer before it gives up"
    everything_once(json_jwt, tenant, set(made.acknowledged))
    assert [text for text in differences(json_jwt.audit()) if not text.startswith("offsets")] == []


def test_without_a_broker_the_answer_is_503_within_the_sdks_timeout(proto: Pipeline, tenant: str) -> None:
    request = traces(tenant, span("kept by the SDK", {"tokens.prompt": 1, "model": "m", "cost.usd": "0.001"}))
    pid = proto.pid("kafka")
    # Stopped, not killed: it does not come back by itself while the test looks.
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(otlp.OtlpRefused) as refused:
            otlp.send(proto.stack.otlp.http_url, request.SerializeToString(), timeout=SDK_SECONDS * 3)
        waited = time.monotonic() - began
    finally:
        os.kill(pid, signal.SIGCONT)
    assert refused.value.status == 503, str(refused.value)
    assert waited < SDK_SECONDS, f"{waited:.1f} s"

    def taken() -> bool:
        try:
            proto.send(request)
        except otlp.OtlpRefused as again:
            assert again.retryable
            return False
        return True

    proto.until(taken, "the broker is back", BACK_SECONDS)
    everything_once(proto, tenant, {request.resource_spans[0].scope_spans[0].spans[0].span_id})


def test_a_killed_collector_loses_nothing_that_was_acknowledged(proto: Pipeline, tenant: str) -> None:
    with load(proto, tenant) as made:
        until_more(made, 5)
        before = kill(proto, "collector")
        proto.until(lambda: running_again(proto, "collector", before), "the collector runs again", BACK_SECONDS)
        until_more(made, 5)
    everything_once(proto, tenant, set(made.acknowledged))

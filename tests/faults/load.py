"""Load by span ids: what was sent, what was acknowledged and what is stored are sets that are compared."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from infra import otlp
from tests.pipeline.live import Pipeline, differences
from tests.pipeline.otlp_messages import span, traces

SDK_SECONDS = 10.0
"""After which the Python SDK's exporter gives up on an answer."""
BACK_SECONDS = 60.0
"""For a part to be back, and for a re-delivery to be counted once again."""
SPANS_A_REQUEST = 20


def spans_of_a_request() -> list[Span]:
    """Model calls of one token and a price each: every figure of the rollups is their number."""
    return [span("load", {"tokens.prompt": 1, "model": "m", "cost.usd": "0.001"}) for _ in range(SPANS_A_REQUEST)]


@dataclass
class Load:
    """Two clients that send as an SDK does: the same request again after a retryable answer or none."""

    pipeline: Pipeline
    tenant: str
    timeout: float
    sent: set[bytes] = field(default_factory=set)
    acknowledged: set[bytes] = field(default_factory=set)
    refused: list[int] = field(default_factory=list)
    """The statuses of all refusals; 0: no answer."""
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def client(self, stop: threading.Event) -> None:
        """Sends until `stop`; a request that was refused is sent again until it is taken."""
        headers = self.pipeline.headers(self.tenant)
        while not stop.is_set():
            spans = spans_of_a_request()
            ids = {item.span_id for item in spans}
            body = traces(self.tenant, *spans).SerializeToString()
            self.sent |= ids
            while not self._taken(body, headers):
                if stop.is_set() or self.wrong:
                    return
            self.acknowledged |= ids

    def _taken(self, body: bytes, headers: dict[str, str]) -> bool:
        began = time.monotonic()
        try:
            otlp.send(self.pipeline.stack.otlp.http_url, body, headers=headers, timeout=self.timeout)
        except otlp.OtlpRefused as refused:
            self.refused.append(refused.status)
            if not refused.retryable:
                self.wrong.append(str(refused))
            return False
        except Exception as error:  # a client that dies silently would look like a quiet pipeline
            self.wrong.append(repr(error))
            return False
        finally:
            self.slowest = max(self.slowest, time.monotonic() - began)
        return True

    def until_more(self, requests: int) -> None:
        """Waits until so many more requests were taken."""
        goal = len(self.acknowledged) + requests * SPANS_A_REQUEST
        self.pipeline.until(
            lambda: len(self.acknowledged) >= goal or self.wrong, f"{requests} more requests", BACK_SECONDS
        )
        assert self.wrong == []

    def until_refused(self, times: int) -> None:
        """Waits until so many more requests were refused or not answered."""
        goal = len(self.refused) + times
        self.pipeline.until(lambda: len(self.refused) >= goal or self.wrong, f"{times} refusals", BACK_SECONDS)
        assert self.wrong == []


@contextmanager
def load(pipeline: Pipeline, tenant: str, timeout: float = SDK_SECONDS) -> Iterator[Load]:
    """Load for the length of the block."""
    pipeline.headers(tenant)
    made, stop = Load(pipeline, tenant, timeout), threading.Event()
    threads = [threading.Thread(target=made.client, args=(stop,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert made.wrong == []


def stored(pipeline: Pipeline, tenant: str) -> set[bytes]:
    """The ids of the tenant's raw rows."""
    sql = "SELECT DISTINCT lower(hex(span_id)) AS id FROM telemetry.spans_raw WHERE tenant_id = {t:String}"
    return {bytes.fromhex(row["id"]) for row in pipeline.rows(sql, t=tenant)}


COUNTS = """
SELECT
    (SELECT count() FROM telemetry.spans WHERE tenant_id = {t:String}) AS rows,
    (SELECT sum(spans) FROM telemetry.spans_minute WHERE tenant_id = {t:String}) AS spans,
    (SELECT (sum(calls), sum(tokens_prompt)) FROM telemetry.cost_minute WHERE tenant_id = {t:String}) AS cost,
    (SELECT sum(steps) FROM telemetry.runs WHERE tenant_id = {t:String}) AS steps
"""


def everything_once(pipeline: Pipeline, tenant: str, acknowledged: set[bytes], sent: set[bytes] | None = None) -> None:
    """Acknowledged is stored, nothing else than sent is, and every figure that a reader sees counts each span once."""
    pipeline.until(
        lambda: acknowledged <= stored(pipeline, tenant) and pipeline.lag() == 0,
        lambda: f"{len(acknowledged - stored(pipeline, tenant))} acknowledged spans to be stored; lag {pipeline.lag()}",
        BACK_SECONDS,
    )
    # The last request's answer may have been lost: then it is stored and not acknowledged.
    there = stored(pipeline, tenant)
    assert there <= (acknowledged if sent is None else sent)
    number = len(there)
    right = {"rows": number, "spans": number, "cost": (number, number), "steps": number}
    pipeline.until(
        lambda: pipeline.rows(COUNTS, t=tenant) == [right],
        lambda: f"{pipeline.rows(COUNTS, t=tenant)} to become {right}",
        BACK_SECONDS,
    )


def unexplained(pipeline: Pipeline) -> list[str]:
    """What an audit finds wrong. What came twice is named in it, but no difference."""
    return differences(pipeline.audit())

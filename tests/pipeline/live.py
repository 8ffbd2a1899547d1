"""A running stack as tests see it: send OTLP as a tenant, produce raw messages, wait for what ClickHouse shows."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import Producer
from google.protobuf.message import Message

from infra import otlp, tenants
from infra.clickhouse import connect
from infra.endpoints import Direct
from infra.errors import UserError
from infra.local.supervisor import Control
from infra.worker.audit import AuditReport, audit
from infra.worker.blank_messages import blank_counter
from infra.worker.positions import read_positions
from tests import workload
from tests.stack import Stack, copy_of_the_tree, local_stack

VISIBLE_SECONDS = 30.0
"""How long a test waits for what is usually there in half a second."""
POLL_SECONDS = 0.05

Signal = Literal["traces", "logs"]


@dataclass
class Pipeline:
    """One running stack."""

    stack: Stack
    client: Client
    _tokens: dict[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def encoding(self) -> str:
        return self.stack.settings.kafkaEncoding

    @property
    def asks_for_tokens(self) -> bool:
        return self.stack.settings.collectorAuth == "jwt"

    @property
    def key_list(self) -> Path:
        return self.stack.folder / "auth" / "jwks.json"

    def headers(self, *names: str) -> dict[str, str]:
        """The credential with which to send as (one of) these tenants, already known to the collector."""
        if not self.asks_for_tokens:
            return {}
        if names not in self._tokens:
            _, token = tenants.add(tenants.KeyFile(self.key_list), names, days=1)
            self.until(lambda: self.accepts(token), "the collector takes a new token")
            self._tokens[names] = token
        return bearer(self._tokens[names])

    def accepts(self, token: str) -> bool:
        """Whether the collector takes an (empty) request with this token."""
        try:
            otlp.send(self.stack.otlp.http_url, b"", headers=bearer(token))
        except otlp.OtlpRefused as refused:
            if refused.status != 401:
                raise
            return False
        return True

    def send(self, request: Message, *names: str, signal: Signal = "traces") -> None:
        """Sends one request by OTLP/HTTP with the credential of these tenants."""
        otlp.send(self.stack.otlp.http_url, request.SerializeToString(), signal, self.headers(*names))

    def message(self, request: Message, signal: Signal = "traces") -> bytes:
        """The request as the collector writes it to Kafka."""
        body = request.SerializeToString()
        return body if self.encoding == "otlp_proto" else workload.to_json(body, signal)

    def produce(self, *messages: bytes, topic: str = "otel-spans") -> list[tuple[int, int]]:
        """Puts raw messages on a topic and returns their (partition, offset)."""
        places: list[tuple[int, int]] = []

        def delivered(error: Any, message: Any) -> None:
            assert error is None, error
            places.append((message.partition(), message.offset()))

        producer = Producer({"bootstrap.servers": self.stack.kafka.bootstrap_servers})
        for message in messages:
            producer.produce(topic, message, on_delivery=delivered)
        assert producer.flush(30) == 0
        return places

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """What the query returns now."""
        return list(self.client.query(sql, parameters=parameters).named_results())

    def wait_rows(self, sql: str, count: int = 1, **parameters: Any) -> list[dict[str, Any]]:
        """What the query returns once it returns at least `count` rows."""
        found: list[dict[str, Any]] = []

        def enough() -> bool:
            found[:] = self.rows(sql, **parameters)
            return len(found) >= count

        self.until(enough, lambda: f"{count} rows of {sql} {parameters}; found {found}; {self.complaints()}")
        return found

    def spans(self, tenant: str, count: int = 1) -> list[dict[str, Any]]:
        """The tenant's spans, oldest first, once there are `count`; more than that is an error."""
        found = self.wait_rows(SPANS, count, tenant=tenant)
        assert len(found) == count, found
        return found

    def span(self, tenant: str) -> dict[str, Any]:
        """The tenant's only span."""
        return self.spans(tenant)[0]

    def until(self, condition: Callable[[], Any], what: str | Callable[[], str], seconds: float = 0) -> float:
        """Waits for the condition and returns the seconds that it took. ClickHouse or the broker may be down meanwhile."""
        began = time.monotonic()
        seconds = seconds or VISIBLE_SECONDS
        error = ""
        while True:
            try:
                if condition():
                    return time.monotonic() - began
            except (ClickHouseError, OSError, UserError) as failure:
                error = f" (last error: {failure})"
            if time.monotonic() - began > seconds:
                raise AssertionError(f"not within {seconds:g} s: {what if isinstance(what, str) else what()}{error}")
            time.sleep(POLL_SECONDS)

    def complaints(self) -> str:
        """What the pipeline itself says went wrong lately, for a failing test's message."""
        letters = self.rows(
            "SELECT partition, offset, substring(error, 1, 300) AS error FROM telemetry.dead_letters "
            "ORDER BY ingest_ts DESC LIMIT 3"
        )
        return json.dumps({"dead letters": letters, "consumers": self.consumer_errors()}, default=str)

    def consumer_errors(self) -> list[dict[str, Any]]:
        """What ClickHouse's Kafka consumers failed on."""
        return self.rows(
            "SELECT table, arrayMap(x -> substring(x, 1, 500), arrayDistinct(exceptions.text)) AS texts "
            "FROM system.kafka_consumers WHERE notEmpty(exceptions.text)"
        )

    def lag(self) -> int:
        """Messages in Kafka that ClickHouse has not stored yet."""
        positions = read_positions(self.stack.kafka)
        # What Kafka has deleted can't be stored any more.
        return sum(at.end - max(at.committed or 0, at.begin) for at in positions)

    def audit(self) -> AuditReport:
        """The audit of everything, once nothing is on its way."""
        self.until(lambda: self.lag() == 0, "lag 0")
        kafka = self.stack.kafka
        return audit(self.client, read_positions(kafka), blank=blank_counter(kafka))

    def pid(self, part: str) -> int:
        """The process id of a part."""
        return int(Control(self.stack.run).processes()[part]["pid"])


SPANS = "SELECT * EXCEPT (attributes_json) FROM telemetry.spans WHERE tenant_id = {tenant:String} ORDER BY start_ts"


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def differences(report: AuditReport) -> list[str]:
    """What an audit found wrong, readable."""
    return [
        f"{row.name}: expected {row.expected}, found {row.found} {row.detail}" for row in report.rows if row.difference
    ]


def new_tenant() -> str:
    """A name that no other test uses."""
    return f"tenant-{secrets.token_hex(4)}"


@contextmanager
def running(**settings: Any) -> Iterator[Pipeline]:
    """A stack of its own, with a client on its ClickHouse; its files are where the tests' are, in memory if they can be."""
    with (
        TemporaryDirectory(prefix="telemetry-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")) as folder,
        local_stack(settings, root=copy_of_the_tree(Path(folder))) as stack,
        connect(stack.clickhouse, Direct()) as client,
    ):
        yield Pipeline(stack, client)

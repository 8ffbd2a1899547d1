"""What the budgets' tests stand on: crafted spans put through every view, and a receiver that a test can break."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from clickhouse_connect.driver.client import Client

from examples.budget_receiver import verified
from infra.worker.budgets.body import Body

COLUMNS = [
    "tenant_id", "env", "service_name", "operation", "status_code", "start_ts", "end_ts", "duration_ms", "trace_id",
    "span_id", "parent_span_id", "agent_name", "workflow_id", "session_id", "user_id", "tool_name", "tool_call_hash",
    "gen_ai_operation", "model", "tokens_prompt", "tokens_completion", "cost_usd", "cost_source", "is_inference", "topic",
    "partition", "offset", "ingest_ts",
]  # fmt: skip
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def trace(name: str) -> bytes:
    """A trace id that a test can name."""
    return name.encode().ljust(16, b"\0")[:16]


@dataclass(frozen=True)
class Call:
    """A span: a model call, or with `tool` a tool call."""

    run: str = "run"
    tenant: str = "acme"
    agent: str = "planner"
    workflow: str = "refunds"
    env: str = "prod"
    ago: float = 0.0
    """Seconds before now at which it started."""
    usd: str | None = "0"
    """None: unpriced."""
    tokens: int = 0
    tool: str = ""
    arguments: int = 1
    """Calls of a tool with the same ones are repeated calls."""
    root: bool = False
    id: bytes = field(default_factory=lambda: secrets.token_bytes(8))
    start: datetime | None = None
    """Of a call that was put before: where it stays."""


def put(client: Client, *calls: Call) -> list[Call]:
    """Puts the spans through every view, as one block. Returns them as they are stored, to be put again."""
    now = datetime.now(UTC)
    placed = [replace(call, start=call.start or now - timedelta(seconds=call.ago)) for call in calls]
    client.insert("telemetry.spans_in", [_row(call, now) for call in placed], column_names=COLUMNS)
    return placed


def _row(call: Call, now: datetime) -> list[Any]:
    start = call.start or now
    inference = not call.tool and not call.root
    priced = inference and call.usd is not None
    return [
        call.tenant, call.env, "svc", "work", 1, start, start + timedelta(milliseconds=5), 5.0, trace(call.run), call.id,
        b"\0" * 8 if call.root else b"parent00", call.agent, call.workflow, f"session of {call.run}", "ada", call.tool,
        hash((call.agent, call.tool, call.arguments)) & (2**63 - 1) if call.tool else 0,
        "execute_tool" if call.tool else "chat", "m1" if inference else "", call.tokens if inference else None,
        0 if inference else None, Decimal(call.usd or "0") if priced else None,
        ("reported" if priced else "unpriced") if inference else "none", inference, "otel-spans", 0, 1, now,
    ]  # fmt: skip


class Receiver(ThreadingHTTPServer):
    """Takes events, verified, until `answer` says otherwise: a status, or a function that does with the connection what it
    likes."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.secret = SECRET
        self.bodies: list[Body] = []
        self.raw: list[bytes] = []
        self.arrived: list[float] = []
        self.answer: int | Callable[[BaseHTTPRequestHandler], None] = 204
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/budgets"

    def of(self, kind: str) -> list[Body]:
        return [body for body in self.bodies if body.type == f"budget.{kind}"]

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        raw = self.rfile.read(int(self.headers["content-length"]))
        assert verified(self.headers, raw, self.server.secret), "the signature is wrong"
        body = Body.model_validate_json(raw)
        assert body.id == self.headers["webhook-id"] and json.loads(raw)["id"] == body.id
        self.server.raw.append(raw)
        self.server.arrived.append(time.monotonic())
        answer = self.server.answer
        if callable(answer):
            answer(self)
            return
        if 200 <= answer < 300:
            self.server.bodies.append(body)
        self.send_response(answer)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A receiver on loopback for the block."""
    receiver = Receiver(port)
    try:
        yield receiver
    finally:
        receiver.close()


def rows(client: Client, query: str) -> Sequence[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(query).result_rows]


TABLES = ["budget_events", "budget_deliveries", "budget_usage", "budget_base", "worker_leases"]


def forget(client: Client) -> None:
    """Takes out what is known of budgets."""
    for table in TABLES:
        client.command(f"TRUNCATE TABLE telemetry.{table}")

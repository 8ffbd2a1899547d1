"""A small world for the worker's tests: the schema in a real engine, spans put in as the Kafka view would.

Spans go into spans_in, so every view behind it runs; messages go into the ledger by hand. What the tables must show
is recomputed here in plain Python.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client

from infra.clickhouse import connect
from infra.endpoints import ClickHouseAddress, Direct, KafkaAddress
from infra.paths import CONFIGS, SQL
from infra.postdeploy.statements import split
from infra.schema import template_values
from infra.settings import parse_settings
from infra.templates import render
from infra.worker.keys import Key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COLUMNS = [
    "tenant_id", "env", "service_name", "operation", "status_code", "start_ts", "end_ts", "duration_ms",
    "trace_id", "span_id", "agent_name", "tool_name", "gen_ai_operation", "model", "tokens_prompt",
    "tokens_completion", "cost_usd", "cost_source", "is_inference", "topic", "partition", "offset", "ingest_ts",
]  # fmt: skip


@dataclass(frozen=True)
class Span:
    """A span as far as the rollups look at it."""

    tenant_id: str
    start: datetime
    trace_id: bytes
    span_id: bytes
    kind: str
    """model, tool or step"""
    error: bool
    tokens: int
    cost: Decimal
    offset: int
    """Of its message, in otel-spans/0."""
    ingested: datetime

    @property
    def key(self) -> Key:
        """Its tenant's minute."""
        return Key(self.tenant_id, int(self.start.timestamp()) // 60 * 60)


def make_spans(
    count: int,
    minutes: int,
    first: datetime,
    tenants: Sequence[str] = ("acme", "globex"),
    seed: int = 1,
    per_message: int = 20,
    ingested: datetime | None = None,
) -> list[Span]:
    """Spans spread over some minutes, in messages of some spans, in the order of their offsets."""
    pick = random.Random(seed)
    made = []
    for number in range(count):
        start = first + timedelta(milliseconds=pick.randrange(minutes * 60_000))
        kind = pick.choice(["model", "tool", "step"])
        made.append(
            Span(
                pick.choice(tenants),
                start,
                pick.randrange(count // 4 + 1).to_bytes(8, "big") + seed.to_bytes(8, "big"),
                number.to_bytes(4, "big") + seed.to_bytes(4, "big"),
                kind,
                pick.random() < 0.2,
                pick.randrange(5000) if kind == "model" else 0,
                Decimal(pick.randrange(10**9)) / 10**12 if kind == "model" else Decimal(0),
                seed * 1_000_000 + number // per_message,
                ingested or datetime.now(UTC),
            )
        )
    return made


def again(spans: Iterable[Span]) -> list[Span]:
    """The same spans, arriving now."""
    now = datetime.now(UTC)
    return [replace(span, ingested=now) for span in spans]


def _row(span: Span) -> list[Any]:
    model, tool = span.kind == "model", span.kind == "tool"
    return [
        span.tenant_id, "test", f"svc-{span.trace_id[7] % 3}", span.kind, 2 if span.error else 0,
        span.start, span.start + timedelta(milliseconds=5), 5.0, span.trace_id, span.span_id, "planner",
        "search" if tool else "", {"model": "chat", "tool": "execute_tool"}.get(span.kind, ""),
        "m1" if model else "", span.tokens if model else None, 1 if model else None,
        span.cost if model else None, "reported" if model else "none", model,
        "otel-spans", 0, span.offset, span.ingested,
    ]  # fmt: skip


def deliver(client: Client, spans: Sequence[Span], ledger: bool = True, stamp: int = 0) -> None:
    """Puts spans through every view, as one block, and their messages into the ledger. `stamp`: days of retention."""
    rows = [[*_row(span), stamp] for span in spans]
    client.insert("telemetry.spans_in", rows, column_names=[*COLUMNS, "retention_days"])
    if ledger:
        enter(client, spans)


def enter(client: Client, spans: Sequence[Span]) -> None:
    """Enters the spans' messages into the ledger."""
    messages: dict[int, list[Span]] = defaultdict(list)
    for span in spans:
        messages[span.offset].append(span)
    rows = [
        ["otel-spans", 0, offset, len(group), max(span.ingested for span in group)]
        for offset, group in messages.items()
    ]
    names = ["topic", "partition", "offset", "spans", "ingest_ts"]
    client.insert("telemetry.ingest_ledger", rows, column_names=names)


def insert_into(client: Client, table: str, spans: Sequence[Span]) -> None:
    """Rows into one table alone, past the views."""
    client.insert(f"telemetry.{table}", [_row(span) for span in spans], column_names=COLUMNS)


Figures = dict[str, Any]


def expected(spans: Iterable[Span]) -> dict[Key, Figures]:
    """The figures of every key, from each span once."""
    result: dict[Key, Figures] = {}
    for span in {(span.trace_id, span.span_id): span for span in spans}.values():
        figures = result.setdefault(
            span.key,
            dict.fromkeys(["spans", "errors", "calls", "tokens", "tool_calls", "tool_errors", "run_spans"], 0)
            | {"cost": Decimal(0), "run_cost": Decimal(0)},
        )
        figures["spans"] += 1
        figures["run_spans"] += 1
        figures["errors"] += span.error
        figures["calls"] += span.kind == "model"
        figures["tokens"] += span.tokens
        figures["tool_calls"] += span.kind == "tool"
        figures["tool_errors"] += span.kind == "tool" and span.error
        figures["cost"] += span.cost
        figures["run_cost"] += span.cost
    return result


SHOWN = (SQL.parent / "tests" / "pipeline" / "worker_shown.sql").read_text()


def shown(client: Client) -> dict[Key, Figures]:
    """The figures of every key as a reader sees them now."""
    names = [
        "spans",
        "errors",
        "calls",
        "tokens",
        "cost",
        "tool_calls",
        "tool_errors",
        "run_spans",
        "run_cost",
    ]
    return {Key(row[0], int(row[1])): dict(zip(names, row[2:], strict=True)) for row in client.query(SHOWN).result_rows}


def rows(client: Client, query: str) -> list[tuple[Any, ...]]:
    """The query's rows."""
    return [tuple(row) for row in client.query(query).result_rows]


@contextmanager
def client_of(port: int) -> Iterator[Client]:
    """A client on the front at this port."""
    with connect(ClickHouseAddress("127.0.0.1", port), Direct()) as client:
        yield client


def apply_schema(client: Client) -> None:
    """All migrations and all views; the Kafka tables are Null tables."""
    settings = parse_settings({"tenantRetentionDays": {"short": 1}}, "test")
    values = template_values(settings, KafkaAddress("127.0.0.1:1"), str(CONFIGS / "otlp"))
    values["kafka"]["engine"] = "null"
    client.command("CREATE DATABASE IF NOT EXISTS telemetry")
    for folder in ("migrations", "ingest"):
        for path in sorted((SQL / folder).glob("*.sql")):
            for statement in split(render(path, values)):
                client.command(statement)
    client.command("INSERT INTO telemetry.tenants (tenant_id, retention_days, keep_content) VALUES ('short', 1, false)")


TABLES = [
    "spans_raw", "span_keys", "ingest_ledger", "dead_letters", "spans_minute_data", "cost_minute_data",
    "tools_minute_data", "runs_data", "trace_index", "rollup_generations", "worker_results", "backfills",
]  # fmt: skip


def empty(client: Client) -> None:
    """Takes everything out of the tables that the worker reads or writes."""
    for table in TABLES:
        client.command(f"TRUNCATE TABLE telemetry.{table}")

"""What ClickHouse must hold for given export requests, recomputed in plain Python from the decoded protobuf.

Independent of all SQL: only the alias table (configs/attributes.yaml) and the prices (configs/model_prices.yaml),
which are data, are shared with the pipeline. A span that comes twice counts once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.oracle_data import Prices, aliases, number, plain

INFERENCE = {"chat", "text_completion", "generate_content", "embeddings"}
ERROR = 2
SERVER, CLIENT, CONSUMER = 2, 3, 5
TOKENS = ("tokens_prompt", "tokens_completion", "tokens_cached", "tokens_reasoning")


@dataclass
class SpanRow:
    """A row of `spans`, as far as figures depend on it."""

    tenant_id: str
    env: str
    service_name: str
    operation: str
    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    kind: int
    status_code: int
    status_message: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    lifted: dict[str, str]
    """Text columns that are lifted out of the attributes, by column; '' when missing."""
    tokens: dict[str, int | None]
    tool_arguments: str
    cost_usd: Decimal | None = None
    cost_source: str = "none"
    invalid_fields: list[str] = field(default_factory=list)

    @property
    def minute(self) -> datetime:
        """The minute in which the span began."""
        return datetime.fromtimestamp(self.start_ns // 60_000_000_000 * 60, UTC)

    @property
    def without_usage(self) -> bool:
        """Whether it says nothing of tokens."""
        return all(count is None for count in self.tokens.values())

    @property
    def is_inference(self) -> bool:
        """A model call, by its operation or, where that is not told, by model and tokens."""
        operation = self.lifted["gen_ai_operation"]
        has_tokens = self.tokens["tokens_prompt"] is not None or self.tokens["tokens_completion"] is not None
        return operation in INFERENCE or (not operation and bool(self.lifted["model"]) and has_tokens)

    @property
    def is_tool(self) -> bool:
        """A tool call: a span that names its tool."""
        return bool(self.lifted["tool_name"])

    @property
    def duration_ns(self) -> int:
        """Never negative."""
        return max(0, self.end_ns - self.start_ns)

    @property
    def is_entry(self) -> bool:
        """A request to the service: a root, what another process asked for, an invoked agent."""
        invoked = self.lifted["gen_ai_operation"] == "invoke_agent" and self.kind != CLIENT
        return not self.parent_span_id or self.kind in (SERVER, CONSUMER) or invoked

    @property
    def is_error(self) -> bool:
        """A span whose status is ERROR."""
        return self.status_code == ERROR


@dataclass
class Calls:
    """A key's sums in a rollup."""

    count: int = 0
    errors: int = 0
    requests: int = 0
    failed_requests: int = 0
    unpriced: int = 0
    invalid: int = 0
    cost_usd: Decimal = Decimal(0)
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKENS, 0))
    durations_ns: list[int] = field(default_factory=list)

    def add(self, row: SpanRow) -> None:
        """Counts `row` in."""
        self.count += 1
        self.errors += row.is_error
        self.requests += row.is_entry
        self.failed_requests += row.is_entry and row.is_error
        self.unpriced += row.cost_source == "unpriced"
        self.cost_usd += row.cost_usd or 0
        for name, value in row.tokens.items():
            self.tokens[name] += value or 0
        self.durations_ns.append(row.duration_ns)
        self.invalid += bool(row.invalid_fields)


@dataclass
class RunRow:
    """A row of `runs`."""

    tenant_id: str
    trace_id: bytes
    env: str
    agent_name: str
    workflow_id: str
    user_id: str
    session_id: str
    service_name: str
    operation: str
    start_ns: int
    end_ns: int
    duration_ns: int
    """Of the root span; without one, from the first start to the last end."""
    steps: int
    model_calls: int
    tool_calls: int
    loops: int
    """Calls of a tool by the same agent with the same arguments beyond the first."""
    errors: int
    unpriced_calls: int
    cost_usd: Decimal
    tokens: dict[str, int]
    outcome: str


class Oracle:
    """Expected contents after some requests. `env`: what the collector adds where a resource names none."""

    def __init__(self, requests: Iterable[bytes], env: str = "local", prices: Prices | None = None) -> None:
        self._env = env
        self._prices = prices or Prices.load()
        self._aliases = aliases()
        rows: dict[tuple[str, bytes, bytes], SpanRow] = {}
        for body in requests:
            for row in self._rows(ExportTraceServiceRequest.FromString(body)):
                rows.setdefault((row.tenant_id, row.trace_id, row.span_id), row)
        self.spans = list(rows.values())

    def spans_minute(self) -> dict[tuple[str, str, datetime, str, str, str], Calls]:
        """By tenant, env, minute, service, operation, agent."""
        found: dict[tuple[str, str, datetime, str, str, str], Calls] = defaultdict(Calls)
        for row in self.spans:
            agent = row.lifted["agent_name"]
            found[row.tenant_id, row.env, row.minute, row.service_name, row.operation, agent].add(row)
        return dict(found)

    def cost_minute(self) -> dict[tuple[str, str, datetime, str, str, str, str, str], Calls]:
        """By tenant, env, minute, provider, model, service, agent, workflow: model calls only."""
        found: dict[tuple[str, str, datetime, str, str, str, str, str], Calls] = defaultdict(Calls)
        for row in self.spans:
            if row.is_inference:
                text = row.lifted
                dimensions = (text["provider"], text["model"], row.service_name)
                key = (row.tenant_id, row.env, row.minute, *dimensions, text["agent_name"], text["workflow_id"])
                found[key].add(row)
        return dict(found)

    def tools_minute(self) -> dict[tuple[str, str, datetime, str, str], Calls]:
        """By tenant, env, minute, tool, agent: tool calls only."""
        found: dict[tuple[str, str, datetime, str, str], Calls] = defaultdict(Calls)
        for row in self.spans:
            if row.is_tool:
                key = (row.tenant_id, row.env, row.minute, row.lifted["tool_name"], row.lifted["agent_name"])
                found[key].add(row)
        return dict(found)

    def runs(self) -> dict[tuple[str, bytes], RunRow]:
        """By tenant and trace."""
        traces: dict[tuple[str, bytes], list[SpanRow]] = defaultdict(list)
        for row in self.spans:
            traces[row.tenant_id, row.trace_id].append(row)
        return {key: self._run(*key, rows) for key, rows in traces.items()}

    @staticmethod
    def _run(tenant: str, trace_id: bytes, rows: list[SpanRow]) -> RunRow:
        roots = [row for row in rows if not row.parent_span_id]
        inference = Calls()
        same_call: dict[tuple[str, str, str], int] = defaultdict(int)
        for row in rows:
            if row.is_inference:
                inference.add(row)
            if row.is_tool:
                same_call[row.lifted["agent_name"], row.lifted["tool_name"], row.tool_arguments] += 1
        outcome = "running" if not roots else "error" if any(row.is_error for row in roots) else "ok"
        start_ns, end_ns = min(row.start_ns for row in rows), max(row.end_ns for row in rows)
        return RunRow(
            tenant_id=tenant,
            trace_id=trace_id,
            env=max(row.env for row in rows),
            agent_name=max((row.lifted["agent_name"] for row in roots), default="")
            or max(row.lifted["agent_name"] for row in rows),
            workflow_id=max(row.lifted["workflow_id"] for row in rows),
            user_id=max(row.lifted["user_id"] for row in rows),
            session_id=max(row.lifted["session_id"] for row in rows),
            service_name=max((row.service_name for row in roots), default=""),
            operation=max((row.operation for row in roots), default=""),
            start_ns=start_ns,
            end_ns=end_ns,
            duration_ns=max((row.duration_ns for row in roots), default=end_ns - start_ns),
            steps=len(rows),
            model_calls=inference.count,
            tool_calls=sum(same_call.values()),
            loops=sum(calls - 1 for calls in same_call.values()),
            errors=sum(row.is_error for row in rows),
            unpriced_calls=inference.unpriced,
            cost_usd=inference.cost_usd,
            tokens=inference.tokens,
            outcome=outcome,
        )

    def _rows(self, request: ExportTraceServiceRequest) -> Iterable[SpanRow]:
        for resource_spans in request.resource_spans:
            resource = {item.key: plain(item.value) for item in resource_spans.resource.attributes}
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    yield self._row(resource, span)

    def _row(self, resource: dict[str, Any], span: Span) -> SpanRow:
        attributes = {item.key: plain(item.value) for item in span.attributes}
        exception = next(
            (
                {item.key: plain(item.value) for item in event.attributes}
                for event in span.events
                if event.name == "exception"
            ),
            {},
        )
        lifted = {column: self._text(attributes, names) for column, names in self._aliases.text.items()}
        for column, words in self._aliases.words.items():
            lifted[column] = words.get(lifted[column], lifted[column])
        lifted["error_type"] = lifted["error_type"] or str(exception.get("exception.type", ""))
        lifted["exception_message"] = lifted["exception_message"] or str(exception.get("exception.message", ""))
        invalid: list[str] = []
        row = SpanRow(
            tenant_id=str(resource.get("tenant.id") or "default"),
            env=self._text(resource, ("deployment.environment.name", "deployment.environment")) or self._env,
            service_name=str(resource.get("service.name") or "unknown"),
            operation=span.name,
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_span_id=span.parent_span_id,
            kind=span.kind,
            status_code=span.status.code,
            status_message=span.status.message,
            start_ns=span.start_time_unix_nano,
            end_ns=span.end_time_unix_nano,
            attributes=attributes,
            lifted=lifted,
            tokens={
                column: number(attributes, self._aliases.numbers[column], column, invalid, whole=True)
                for column in TOKENS
            },
            tool_arguments=self._text(attributes, self._aliases.tool_arguments),
            invalid_fields=invalid,
        )
        self._book_cost(row, number(attributes, self._aliases.numbers["cost_usd"], "cost_usd", invalid))
        return row

    def _book_cost(self, row: SpanRow, reported: Decimal | None) -> None:
        if reported is not None:
            row.cost_usd, row.cost_source = reported, "reported"
        elif row.is_inference and row.is_error and not row.invalid_fields and row.without_usage:
            row.cost_source = "failed"
        elif row.is_inference:
            at = datetime.fromtimestamp(row.start_ns // 1_000_000_000, UTC)
            row.cost_usd = self._prices.cost(row.lifted["provider"], row.lifted["model"], at, row.tokens)
            row.cost_source = "unpriced" if row.cost_usd is None else "priced"

    @staticmethod
    def _text(attributes: dict[str, Any], names: Iterable[str]) -> str:
        """The first of `names` that is there; a list's items are joined."""
        for name in names:
            value = attributes.get(name)
            if isinstance(value, list):
                return ",".join(str(item) for item in value)
            if value is not None:
                return str(value)
        return ""

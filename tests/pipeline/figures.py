"""What the readable rollups and runs show for some tenants, in the shape of tests/oracle.py's recomputation."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from tests.oracle import TOKENS, Calls, Oracle, RunRow
from tests.pipeline.live import Pipeline

Figures = dict[tuple[Any, ...], tuple[Any, ...]]
TOKEN_SUMS = ", ".join(f"ifNull(sum({name}), 0)" for name in TOKENS)


def _grouped(pipeline: Pipeline, table: str, keys: str, sums: str, tenants: Collection[str]) -> Figures:
    width = len(keys.split(","))
    sql = f"SELECT {keys}, {sums} FROM telemetry.{table} WHERE tenant_id IN {{tenants:Array(String)}} GROUP BY {keys}"
    rows = pipeline.client.query(sql, parameters={"tenants": sorted(tenants)}).result_rows
    return {tuple(_plain(value) for value in row[:width]): tuple(row[width:]) for row in rows}


def _plain(value: Any) -> Any:
    """A key's value; times are told with their zone, as the oracle tells them."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def shown(pipeline: Pipeline, tenants: Collection[str]) -> dict[str, Figures]:
    """Every figure of every rollup, of the runs and of raw, as a reader sees them now."""
    runs = (
        "SELECT tenant_id, trace_id, env, agent_name, workflow_id, user_id, session_id, service_name, operation, "
        "toUnixTimestamp64Nano(start_ts), toUnixTimestamp64Nano(end_ts), round(duration_ms * 1e6), steps, model_calls, "
        "tool_calls, loops, errors, unpriced_calls, cost_usd, tokens_prompt, tokens_completion, tokens_cached, "
        "tokens_reasoning, outcome FROM telemetry.runs WHERE tenant_id IN {tenants:Array(String)}"
    )
    rows = pipeline.client.query(runs, parameters={"tenants": sorted(tenants)}).result_rows
    return {
        "spans_minute": _grouped(
            pipeline,
            "spans_minute",
            "tenant_id, env, minute, service_name, operation, agent_name",
            "sum(spans), sum(errors), sumIf(spans, entry), sumIf(errors, entry), sum(invalid), arraySum(mapValues(sumMap(latency_histogram)))",
            tenants,
        ),
        "cost_minute": _grouped(
            pipeline,
            "cost_minute",
            "tenant_id, env, minute, provider, model, service_name, agent_name, workflow_id",
            f"sum(calls), sum(unpriced_calls), sum(cost_usd), {TOKEN_SUMS}",
            tenants,
        ),
        "tools_minute": _grouped(
            pipeline,
            "tools_minute",
            "tenant_id, env, minute, tool_name, agent_name",
            "sum(calls), sum(errors)",
            tenants,
        ),
        "runs": {tuple(row[:2]): tuple(row[2:]) for row in rows},
        "spans": _grouped(
            pipeline,
            "spans",
            "tenant_id",
            f"count(), ifNull(sum(cost_usd), 0), countIf(cost_source = 'unpriced'), {TOKEN_SUMS}",
            tenants,
        ),
    }


def _spans(calls: Calls) -> tuple[Any, ...]:
    return calls.count, calls.errors, calls.requests, calls.failed_requests, calls.invalid, calls.count


def _cost(calls: Calls) -> tuple[Any, ...]:
    return calls.count, calls.unpriced, calls.cost_usd, *calls.tokens.values()


def _run(run: RunRow) -> tuple[Any, ...]:
    return (
        run.env, run.agent_name, run.workflow_id, run.user_id, run.session_id, run.service_name, run.operation,
        run.start_ns, run.end_ns, run.duration_ns, run.steps, run.model_calls, run.tool_calls, run.loops, run.errors,
        run.unpriced_calls, run.cost_usd, *run.tokens.values(), run.outcome,
    )  # fmt: skip


def expected(oracle: Oracle) -> dict[str, Figures]:
    """The same, recomputed from the requests."""
    spans: dict[str, Calls] = {}
    for row in oracle.spans:
        spans.setdefault(row.tenant_id, Calls()).add(row)
    return {
        "spans_minute": {key: _spans(calls) for key, calls in oracle.spans_minute().items()},
        "cost_minute": {key: _cost(calls) for key, calls in oracle.cost_minute().items()},
        "tools_minute": {key: (calls.count, calls.errors) for key, calls in oracle.tools_minute().items()},
        "runs": {(tenant, trace.hex()): _run(run) for (tenant, trace), run in oracle.runs().items()},
        "spans": {
            (tenant,): (calls.count, calls.cost_usd, calls.unpriced, *calls.tokens.values())
            for tenant, calls in spans.items()
        },
    }


def unequal(found: dict[str, Figures], wanted: dict[str, Figures]) -> dict[str, Any]:
    """The first differences of each table, for a failing test's message; empty when all are equal."""
    result: dict[str, Any] = {}
    for table, figures in wanted.items():
        keys = [key for key in figures.keys() | found[table].keys() if figures.get(key) != found[table].get(key)]
        if keys:
            pairs = [(key, "found", found[table].get(key), "expected", figures.get(key)) for key in keys[:3]]
            result[table] = (f"{len(keys)} of {len(figures)}", pairs)
    return result

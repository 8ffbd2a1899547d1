"""The runs that an event names, so that a gateway can stop them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from infra.worker import statements
from infra.worker.budgets.body import RunPart
from infra.worker.budgets.config import Budget
from infra.worker.budgets.usage import AT_ONCE, RECENT, Subject, inside
from infra.worker.budgets.window import HOUR, LIFE, MINUTE

MOST = 20
LATELY = 5 * MINUTE
"""A run without a root span that has sent nothing for this long is called silent, not running."""


def at(ms: int) -> datetime:
    """Unix milliseconds as a time in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def run_parts(client: Client, used: Mapping[Subject, float], now_ms: int) -> dict[Subject, RunPart]:
    """What is known of these runs (with what each has used), in their order. One that has no span left is left out."""
    now = now_ms // 1000
    found: dict[Subject, RunPart] = {}
    wanted = list(used)
    for first in range(0, len(wanted), AT_ONCE):
        only = inside(wanted[first : first + AT_ONCE], True)
        values = {"start": now - now % MINUTE - LIFE, "only": only, "lately": now - LATELY}
        for tenant, trace, *figures in statements.rows(client, "worker/budgets/runs", **values):
            subject = Subject(str(tenant), str(trace))
            # Two tenants may use one trace id: the statement asks for each with each.
            if subject in used:
                found[subject] = _part(subject, figures, used[subject])
    return {subject: found[subject] for subject in wanted if subject in found}


def _part(subject: Subject, figures: Sequence[Any], used: float) -> RunPart:
    state, env, workflow, agent, session, user, operation, started, last, *counts = figures
    steps, spend, calls, unpriced, tokens, tool_calls, repeated = counts
    return RunPart(
        trace_id=subject.name,
        state=state,
        env=env,
        workflow=workflow,
        agent=agent,
        session=session,
        user=user,
        operation=operation,
        started_at=at(started),
        last_span_at=at(last),
        used=used,
        spend_usd=spend,
        model_calls=calls,
        unpriced_calls=unpriced,
        tokens=tokens,
        tool_calls=tool_calls,
        repeated_tool_calls=repeated,
        steps=steps,
    )


def runs_behind(client: Client, budget: Budget, subject: Subject, now_ms: int) -> tuple[list[RunPart], bool]:
    """The runs of a tenant, workflow or agent within the window's last hour (of an agent: quarter of an hour), and whether
    there are more than MOST."""
    now = now_ms // 1000
    start, end = budget.span.bounds(now)
    minute = now - now % MINUTE
    values: dict[str, Any] = {"b": budget, "tenant": subject.tenant_id, "limit": MOST + 1, "end": end or 0}
    if budget.scope == "agent":
        values |= {"start": max(start, minute - RECENT), "agent": subject.name}
        table = statements.rows(client, "worker/budgets/agent_runs", **values)
    else:
        workflow = subject.name if budget.scope == "workflow" else budget.workflow
        of_runs = budget.model_copy(update={"scope": "run"})
        values |= {
            "start": max(start, minute - HOUR),
            "workflow": workflow,
            "run_budget": of_runs,
            "lately": now - LATELY,
        }
        table = statements.rows(client, "worker/budgets/top_runs", **values)
    used = {Subject(subject.tenant_id, str(trace)): float(amount) for trace, amount in table}
    parts = run_parts(client, dict(list(used.items())[:MOST]), now_ms)
    # Those at it first, whatever order the raw spans gave.
    return sorted(parts.values(), key=lambda part: part.state != "running"), len(used) > MOST

"""Events: a row of telemetry.budget_events with the body that a receiver gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from infra.replicas import stored_everywhere
from infra.worker import statements
from infra.worker.budgets.body import Body, BudgetPart, DataPart, EventType, RunPart, SubjectPart, WindowPart
from infra.worker.budgets.config import Budget
from infra.worker.budgets.episodes import Episode, event_id
from infra.worker.budgets.runs import at
from infra.worker.budgets.usage import Usage
from infra.worker.budgets.window import DAY, HOUR

TYPES: dict[str, EventType] = {
    "warned": "budget.warned",
    "crossed": "budget.crossed",
    "resolved": "budget.resolved",
}


@dataclass(frozen=True)
class Event:
    """A row of telemetry.budget_events."""

    at_ms: int
    event_id: str
    episode: str
    kind: str
    level: float
    budget: str
    measure: str
    scope: str
    tenant_id: str
    subject: str
    used: float
    limit: float
    model_calls: int
    unpriced_calls: int
    notify: bool
    give_up_ms: int
    body: str


def make_event(
    source: str,
    budget: Budget,
    episode: Episode,
    kind: str,
    level: float,
    usage: Usage,
    now_ms: int,
    notify: bool,
    runs: Sequence[RunPart] = (),
    more_runs: bool = False,
) -> Event:
    """The event, with its body."""
    start, end = budget.span.bounds(now_ms // 1000)
    id_ = event_id(episode, kind, level)
    body = Body(
        id=id_,
        type=TYPES[kind],
        timestamp=at(now_ms),
        data=DataPart(
            source=source,
            budget=BudgetPart(**budget.model_dump(include=set(BudgetPart.model_fields))),
            subject=_subject(budget, usage, runs),
            used=usage.used,
            share=usage.used / budget.limit,
            level=level,
            since=at(episode.since_ms),
            window=WindowPart(start=at(start * 1000), end=at(end * 1000) if end else None),
            model_calls=usage.model_calls,
            unpriced_calls=usage.unpriced_calls,
            unpriced_share=usage.unpriced_calls / usage.model_calls if usage.model_calls else 0.0,
            runs=list(runs),
            more_runs=more_runs,
        ),
    )
    return Event(
        now_ms,
        id_,
        episode.id,
        kind,
        level,
        budget.name,
        budget.measure,
        budget.scope,
        usage.subject.tenant_id,
        usage.subject.name,
        usage.used,
        budget.limit,
        usage.model_calls,
        usage.unpriced_calls,
        notify,
        # A run that long ago has ended; what a tenant, workflow or agent has used still counts the day after.
        now_ms + (HOUR if budget.scope == "run" else DAY) * 1000,
        body.model_dump_json(),
    )


def _subject(budget: Budget, usage: Usage, runs: Sequence[RunPart]) -> SubjectPart:
    tenant, name = usage.subject
    if budget.scope == "run":
        workflow = next((run.workflow for run in runs if run.trace_id == name), "")
        return SubjectPart(tenant=tenant, run=name, workflow=workflow or None, agent=None)
    workflow = name if budget.scope == "workflow" else None
    return SubjectPart(tenant=tenant, workflow=workflow, agent=name if budget.scope == "agent" else None, run=None)


def record_events(client: Client, events: Sequence[Event]) -> None:
    """Adds them, on every node that is up before it returns: from here on they are told of."""
    if events:
        settings = stored_everywhere(client, "budget_events")
        statements.run(client, "worker/budgets/record", settings, events=events)

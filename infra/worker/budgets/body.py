"""What the webhook's receiver gets: the body's shape, from which docs/budget-webhook.schema.json is made."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from infra.worker.budgets.config import Measure, Scope

EventType = Literal["budget.warned", "budget.crossed", "budget.resolved"]
RunState = Literal["running", "silent", "ok", "error"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BudgetPart(_Part):
    """The budget as configs/budgets.yaml has it."""

    name: str
    measure: Measure
    scope: Scope
    window: str
    limit: float


class SubjectPart(_Part):
    """Who crossed it."""

    tenant: str
    workflow: str | None = Field(None, description="With scope workflow; of a run: its workflow, where it has one.")
    agent: str | None = Field(None, description="With scope agent.")
    run: str | None = Field(None, description="With scope run: the trace id, 32 lower-case hex digits.")


class RunPart(_Part):
    """A run that takes part in it. `used` is in the budget's measure and window; the other figures are of its whole life."""

    trace_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    state: RunState = Field(
        description="running: no root span yet and a span lately; silent: neither; ok, error: its root span has ended."
    )
    env: str
    workflow: str
    agent: str = Field(description="Of the root span; while it runs, one of the agents at work.")
    session: str
    user: str
    operation: str = Field(description="The root span's name; empty while it runs.")
    started_at: datetime
    last_span_at: datetime
    used: float
    spend_usd: float
    model_calls: int
    unpriced_calls: int
    tokens: int
    tool_calls: int
    repeated_tool_calls: int
    steps: int


class WindowPart(_Part):
    """What was counted, by the time at which spans started."""

    start: datetime
    end: datetime | None = Field(None, description="Of a day or a month; null: up to now.")


class DataPart(_Part):
    """What happened."""

    source: str = Field(description="The stack's env: one receiver may serve several stacks.")
    budget: BudgetPart
    subject: SubjectPart
    used: float
    share: float = Field(description="used / limit.")
    level: float = Field(description="The share of the limit that this event is about: a warning's, 1, or a multiple.")
    since: datetime = Field(description="When the first event of this crossing was seen.")
    window: WindowPart
    model_calls: int
    unpriced_calls: int
    unpriced_share: float = Field(
        description="Of the model calls in the window: they cost something that is not in spend_usd."
    )
    runs: list[RunPart] = Field(
        description="The run; or, of a tenant, workflow or agent, its runs: those at it first, then by `used`."
    )
    more_runs: bool = Field(description="Whether there are more of them than are listed.")


class Body(_Part):
    """One event. The same event is sent again with the same id and the same bytes."""

    id: str = Field(description="Also the header webhook-id: to tell repeated deliveries apart.")
    type: EventType
    timestamp: datetime = Field(description="When it was seen, UTC.")
    data: DataPart

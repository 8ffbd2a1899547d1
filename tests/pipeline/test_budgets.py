"""Budgets in the real engine: every measure and scope crosses and is over again, and the event names the runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from infra.worker.budgets.body import Body
from infra.worker.budgets.config import Budget
from infra.worker.budgets.evaluate import Evaluate
from infra.worker.lease import Lease
from tests.pipeline.budget_world import Call, forget, put, rows, trace
from tests.pipeline.clickhouse_front import Front
from tests.pipeline.worker_front import front_with_the_schema  # noqa: F401
from tests.pipeline.worker_world import client_of, empty

MINUTE, HOUR = 60, 3600


@pytest.fixture(name="client")
def client_of_empty_tables(front: Front) -> Iterator[Client]:
    with client_of(front.port) as client:
        empty(client)
        forget(client)
        yield client


def budget(measure: str, scope: str, **values: Any) -> Budget:
    given = {"name": f"{measure} of a {scope}", "measure": measure, "scope": scope, "window": "15m", "limit": 3.0}
    return Budget.model_validate(given | values)


class World:
    """The step, and the events that it makes."""

    def __init__(self, client: Client, *budgets: Budget) -> None:
        self.client, self.step = client, Evaluate(budgets, "test", True, Lease("budgets"))

    def look(self, ended: bool = False) -> list[Body]:
        """The events of one more look; `ended`: one of the looks that also see which runs have ended."""
        if ended:
            self.step._shown = -float("inf")
        before = {row[0] for row in rows(self.client, "SELECT event_id FROM telemetry.budget_events")}
        assert self.step(self.client).ok
        found = rows(self.client, "SELECT event_id, body_json FROM telemetry.budget_events ORDER BY at, event_id")
        return [Body.model_validate_json(text) for id_, text in found if id_ not in before]


def work(measure: str, amount: int, **values: Any) -> list[Call]:
    """Spans that are worth `amount` of the measure."""
    if measure == "repeated_tool_calls":
        return [Call(tool="search", **values) for _ in range(amount + 1)]
    if measure == "tokens":
        return [Call(tokens=amount, **values)]
    if measure == "spend_usd":
        return [Call(usd="0.5", **values) for _ in range(2 * amount)]
    return [Call(**values) for _ in range(amount)]


MEASURES = ["spend_usd", "model_calls", "tokens", "repeated_tool_calls"]
SCOPES = ["tenant", "workflow", "agent", "run"]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("scope", SCOPES)
def test_each_measure_is_counted_for_each_scope_crosses_once_and_is_over_when_the_window_moves_on(
    client: Client, measure: str, scope: str
) -> None:
    world = World(client, budget(measure, scope))
    # One short of the limit, and as much in every other tenant, workflow, agent and run.
    put(client, *work(measure, 2, run="a"))
    others = {"tenant": "globex"}, {"workflow": "sales", "agent": "writer", "run": "b"}
    put(client, *work(measure, 2, **others[0]), *(work(measure, 2, **others[1]) if scope != "tenant" else []))
    # And before the window.
    put(client, *work(measure, 50, run="old", ago=20 * MINUTE))
    assert world.look() == []
    put(client, *(work(measure, 1, run="a")[-1:] if measure == "repeated_tool_calls" else work(measure, 1, run="a")))
    (event,) = world.look()
    assert event.type == "budget.crossed"
    data = event.data
    assert (data.used, data.share, data.level) == (3, 1, 1)
    assert data.subject.tenant == "acme"
    assert (
        data.subject.model_dump(exclude_none=True)
        == {
            "tenant": {"tenant": "acme"},
            "workflow": {"tenant": "acme", "workflow": "refunds"},
            "agent": {"tenant": "acme", "agent": "planner"},
            "run": {"tenant": "acme", "run": trace("a").hex(), "workflow": "refunds"},
        }[scope]
    )
    run = data.runs[0]
    assert run.trace_id == trace("a").hex() and run.used == 3 and run.state == "running"
    assert (run.agent, run.workflow, run.session, run.user, run.env) == (
        "planner",
        "refunds",
        "session of a",
        "ada",
        "prod",
    )
    assert world.look() == [], "told once"
    if scope == "run":
        put(client, Call(run="a", root=True))
    else:
        client.command("TRUNCATE TABLE telemetry.spans_raw")
        client.command("TRUNCATE TABLE telemetry.cost_minute_data")
        client.command("TRUNCATE TABLE telemetry.runs_data")
    (over,) = world.look(ended=True)
    assert over.type == "budget.resolved" and over.data.subject.model_dump() | {
        "workflow": None
    } == data.subject.model_dump() | {"workflow": None}
    assert world.look(ended=True) == []

"""Budgets in the real engine: every measure and scope crosses and is over again, and the event names the runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from infra.local.supervisor import wait_for
from infra.paths import SQL
from infra.worker.backfill import backfill
from infra.worker.budgets.body import Body
from infra.worker.budgets.config import Budget
from infra.worker.budgets.evaluate import Evaluate
from infra.worker.keys import key_at
from infra.worker.lease import Lease
from infra.worker.repair import repair
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


def test_a_warning_a_crossing_and_more_are_told_one_by_one_and_a_leap_tells_the_highest(client: Client) -> None:
    world = World(client, budget("model_calls", "tenant", limit=10.0, warn=0.5, again_at=[2, 3]))
    put(client, *work("model_calls", 5))
    assert [(e.type, e.data.level) for e in world.look()] == [("budget.warned", 0.5)]
    put(client, *work("model_calls", 5))
    assert [(e.type, e.data.level) for e in world.look()] == [("budget.crossed", 1)]
    put(client, *work("model_calls", 25))
    (event,) = world.look()
    assert (event.type, event.data.level, event.data.used) == ("budget.crossed", 3, 35)
    assert world.look() == []
    put(client, *work("model_calls", 40, tenant="globex"))
    assert [(e.data.subject.tenant, e.data.level) for e in world.look()] == [("globex", 3)]
    (began,) = rows(client, "SELECT count(DISTINCT episode) FROM telemetry.budget_events WHERE tenant_id = 'acme'")
    assert began == (1,)


def test_a_crossing_that_is_over_begins_anew_as_another_one(client: Client) -> None:
    world = World(client, budget("model_calls", "tenant"))
    put(client, *work("model_calls", 3))
    (first,) = world.look()
    for table in ("cost_minute_data", "runs_data"):
        client.command(f"TRUNCATE TABLE telemetry.{table}")
    (over,) = world.look()
    put(client, *work("model_calls", 3))
    (second,) = world.look()
    assert (first.type, over.type, second.type) == ("budget.crossed", "budget.resolved", "budget.crossed")
    assert len({first.id, over.id, second.id}) == 3, "a receiver that tells repetitions apart takes all three"
    notify = rows(client, "SELECT type, notify FROM telemetry.budget_events ORDER BY at")
    assert [tuple(row) for row in notify] == [("crossed", 1), ("resolved", 1), ("crossed", 1)]


def test_a_little_less_is_not_over_yet(client: Client) -> None:
    world = World(client, budget("model_calls", "tenant", limit=100.0))
    put(client, *work("model_calls", 100))
    assert len(world.look()) == 1
    for calls, over in ((95, 0), (89, 1)):
        client.command("TRUNCATE TABLE telemetry.cost_minute_data")
        put(client, *work("model_calls", calls))
        assert len(world.look()) == over


def yesterday_at_noon(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """What the worker takes for now: hours before it are the same day and month, and tables keep it."""
    now = datetime.now(UTC).replace(hour=12, minute=0, second=30, microsecond=0) - timedelta(days=1)
    monkeypatch.setattr("infra.worker.statements.server_ms", lambda _: int(now.timestamp()) * 1000)
    return now


def test_a_day_ends_and_a_new_one_begins_at_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    now = yesterday_at_noon(monkeypatch)
    world = World(client, budget("model_calls", "tenant", window="day"))
    put(client, *work("model_calls", 3, start=now))
    (event,) = world.look()
    assert event.data.window.end and event.data.window.start.hour == 0
    assert (event.data.window.end - event.data.window.start).total_seconds() == 24 * HOUR
    tomorrow = int((now + timedelta(days=1)).timestamp()) * 1000
    monkeypatch.setattr("infra.worker.statements.server_ms", lambda _: tomorrow)
    (over,) = world.look()
    assert over.type == "budget.resolved" and over.data.used == 0


@pytest.mark.parametrize("window", ["6h", "month", "7d"])
@pytest.mark.parametrize("scope", ["tenant", "workflow", "agent"])
def test_a_long_window_counts_what_was_before_the_last_minutes_too_and_once(
    client: Client, scope: str, window: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = yesterday_at_noon(monkeypatch)
    world = World(client, budget("model_calls", scope, window=window, limit=10.0))
    put(client, *work("model_calls", 6, start=now - timedelta(hours=3)))
    put(client, *work("model_calls", 1, start=now - timedelta(minutes=14)))
    assert world.look() == []
    (base,) = rows(client, "SELECT sum(used) FROM telemetry.budget_base")
    assert base == (6,), "computed once, apart"
    put(client, *work("model_calls", 2, start=now))
    assert world.look() == []
    put(client, *work("model_calls", 1, start=now))
    (event,) = world.look()
    assert event.data.used == 10
    assert rows(client, "SELECT count() FROM telemetry.budget_base") == [(1,)], "the base is not computed at each look"


@pytest.mark.parametrize("by", ["backfill", "repair"])
def test_what_a_backfill_or_a_repair_changes_counts_from_the_next_look_on(client: Client, by: str) -> None:
    world = World(client, budget("model_calls", "tenant", window="6h", limit=10.0))
    (first, *_) = put(client, *work("model_calls", 6, ago=3 * HOUR))
    put(client, *work("model_calls", 6, ago=2 * HOUR))
    client.command("TRUNCATE TABLE telemetry.cost_minute_data")
    assert world.look() == [] == world.look()
    assert first.start
    if by == "backfill":
        backfill(client, first.start - timedelta(minutes=1), first.start + timedelta(hours=2))
    else:
        hours = [first.start + timedelta(minutes=minutes) for minutes in range(-1, 63)]
        repair(client, [key_at("acme", minute) for minute in hours])
    # A look right after the base was computed leaves it for as long as ten times that took; the next one does not.
    found = wait_for(lambda: world.look() or None, 60)
    assert found and [event.data.used for event in found] == [12]
    computed = rows(client, "SELECT uniqExact(computed) FROM telemetry.budget_base")
    assert world.look() == []
    assert rows(client, "SELECT uniqExact(computed) FROM telemetry.budget_base") == computed, "once, not at each look"


def test_a_run_that_began_hours_ago_is_counted_whole_and_one_that_is_silent_is_left(client: Client) -> None:
    world = World(client, budget("spend_usd", "run", window="run", limit=10.0))
    put(client, *work("spend_usd", 8, run="long", ago=5 * HOUR), *work("spend_usd", 1, run="long", ago=30))
    put(client, *work("spend_usd", 50, run="yesterday's", ago=5 * HOUR))
    assert world.look() == []
    put(client, *work("spend_usd", 1, run="long"))
    (event,) = world.look()
    assert event.data.subject.run == trace("long").hex() and event.data.used == 10
    (run,) = event.data.runs
    assert run.spend_usd == 10 and (run.last_span_at - run.started_at).total_seconds() > 4 * HOUR


def test_only_what_a_budget_names_counts(client: Client) -> None:
    names = {"tenant": "globex", "workflow": "sales", "env": "dev"}
    budgets = [budget("model_calls", "tenant", name=f"by {key}", **{key: value}) for key, value in names.items()]
    budgets += [budget("model_calls", "run", name=f"run by {key}", **{key: value}) for key, value in names.items()]
    budgets += [
        budget("repeated_tool_calls", "tenant", name=f"loops by {key}", **{key: value}) for key, value in names.items()
    ]
    budgets += [budget("model_calls", "workflow", name="of a writer", agent="writer")]
    world = World(client, *budgets)
    put(client, *work("model_calls", 9), *work("repeated_tool_calls", 9))
    assert world.look() == []
    for key, value in names.items():
        put(
            client,
            *work("model_calls", 3, run=key, **{key: value}),
            *work("repeated_tool_calls", 3, run=key, **{key: value}),
        )
        found = {event.data.budget.name: event.data.used for event in world.look()}
        assert found == {f"by {key}": 3, f"run by {key}": 3, f"loops by {key}": 3}
    put(client, *work("model_calls", 3, agent="writer"))
    assert [event.data.budget.name for event in world.look()] == ["of a writer"]


def test_a_repeated_delivery_that_was_repaired_does_not_cross(client: Client) -> None:
    from infra.worker.keys import Key
    from infra.worker.repair import repair

    world = World(
        client, budget("model_calls", "tenant"), budget("model_calls", "run"), budget("repeated_tool_calls", "agent")
    )
    calls = put(client, *work("model_calls", 2), *work("repeated_tool_calls", 2))
    put(client, *calls)
    minutes = {
        Key("acme", minute)
        for (minute,) in rows(client, "SELECT DISTINCT toUnixTimestamp(minute) FROM telemetry.runs_data")
    }
    assert repair(client, minutes).repaired
    assert world.look() == []


def test_unpriced_calls_are_named_for_what_they_are(client: Client) -> None:
    world = World(client, budget("spend_usd", "tenant", limit=1.0))
    put(client, Call(usd="1"), Call(usd=None), Call(usd=None), Call(usd=None))
    (event,) = world.look()
    data = event.data
    assert (data.used, data.model_calls, data.unpriced_calls, data.unpriced_share) == (1, 4, 3, 0.75)
    assert data.runs[0].unpriced_calls == 3


def test_the_runs_at_it_come_first_and_of_many_twenty(client: Client) -> None:
    world = World(client, budget("spend_usd", "tenant", limit=100.0))
    put(
        client,
        *(Call(run=f"ended-{n}", usd=str(10 + n)) for n in range(25)),
        *(Call(run=f"ended-{n}", root=True) for n in range(25)),
    )
    put(client, Call(run="small", usd="0.1"), Call(run="large", usd="3"), Call(run="other", tenant="globex"))
    (event,) = world.look()
    named = [run.trace_id for run in event.data.runs]
    assert len(named) == 20 and event.data.more_runs
    assert named[:3] == [trace("large").hex(), trace("small").hex(), trace("ended-24").hex()]
    assert [run.state for run in event.data.runs[:3]] == ["running", "running", "ok"]


def test_a_budget_that_is_taken_away_ends_and_a_broken_one_holds_up_no_other(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(client, budget("model_calls", "tenant"), budget("model_calls", "run"))
    put(client, *work("model_calls", 3))
    assert len(world.look()) == 2
    world = World(client, budget("tokens", "tenant", limit=5.0), budget("tokens", "run", limit=5.0))
    world.step._lease = Lease("other")
    ended = world.look()
    assert {(e.type, e.data.budget.name) for e in ended} == {
        ("budget.resolved", "model_calls of a tenant"),
        ("budget.resolved", "model_calls of a run"),
    }
    assert world.look() == []
    real = world.step._meter.top

    def broken(client: Client, asked: Budget, *rest: Any) -> Any:
        if asked.scope == "tenant":
            raise RuntimeError("no memory")
        return real(client, asked, *rest)

    monkeypatch.setattr(world.step._meter, "top", broken)
    put(client, *work("tokens", 5))
    with pytest.raises(RuntimeError):
        world.look()
    assert rows(client, "SELECT budget FROM telemetry.budget_events WHERE measure = 'tokens'") == [("tokens of a run",)]


def test_names_cannot_leave_their_quotes(client: Client) -> None:
    odd = "o'neil\\ ') OR 1 --"
    scopes = ["tenant", "workflow", "agent"]
    world = World(client, *(budget("model_calls", scope, tenant=odd, name=f"it's {scope}") for scope in scopes))
    put(client, *work("model_calls", 3, tenant=odd, workflow=odd, agent=odd), *work("model_calls", 9))
    found = {event.data.budget.name: event.data.subject for event in world.look()}
    assert found["it's tenant"].tenant == found["it's workflow"].workflow == found["it's agent"].agent == odd
    assert len(found) == 3 and world.look() == []


def test_nothing_at_all_is_shown_as_nothing(client: Client) -> None:
    budgets = [budget(measure, scope) for measure in MEASURES for scope in SCOPES]
    world = World(client, *budgets)
    assert world.look(ended=True) == []
    shown = rows(client, "SELECT budget, tenant_id, used FROM telemetry.budget_usage")
    assert sorted(shown) == sorted((item.name, "", 0.0) for item in budgets)


def test_what_is_used_is_shown_each_minute(client: Client) -> None:
    world = World(client, budget("spend_usd", "tenant", limit=10.0))
    put(client, *work("spend_usd", 2), *work("spend_usd", 5, tenant="globex"))
    world.look()
    shown = rows(client, "SELECT tenant_id, used, usage_limit FROM telemetry.budget_usage ORDER BY used")
    assert [tuple(row) for row in shown] == [("acme", 2, 10), ("globex", 5, 10)]


def test_a_crossing_that_is_over_says_how_it_ended(client: Client) -> None:
    query = (SQL / "queries" / "budgets.sql").read_text()
    world = World(client, budget("model_calls", "run"), budget("model_calls", "tenant"))
    put(client, *work("model_calls", 4, run="a"))
    run, tenant = sorted(world.look(), key=lambda body: body.data.budget.scope)
    for body in (run, tenant):
        client.command(
            f"INSERT INTO telemetry.budget_deliveries (event_id, at, outcome) SELECT '{body.id}', now64(3), 'delivered'"
        )
    put(client, Call(run="a", root=True))
    assert [body.type for body in world.look(ended=True)] == ["budget.resolved"], "the run's"
    found = {row[0]: row[10:] for row in rows(client, query)}
    state, told, told_at, ended_at = found["model_calls of a run"]
    assert (state, told) == ("ended with the run", "told") and ended_at > told_at > "2026"
    state, told, told_at, ended_at = found["model_calls of a tenant"]
    assert (state, told, ended_at) == ("open", "told", "") and told_at


def test_what_the_command_line_asks_is_the_usage_with_the_last_crossing(client: Client) -> None:
    query = (SQL / "queries" / "budgets.sql").read_text()
    assert rows(client, query) == []
    world = World(client, budget("model_calls", "tenant"), budget("tokens", "agent", limit=100.0))
    put(client, *work("model_calls", 4), *work("tokens", 50, tenant="globex"))
    world.look()
    found = {(row[0], row[1]): row for row in rows(client, query)}
    crossed = found["model_calls of a tenant", "acme"]
    # The second budget's crossing is of nobody; the first one's second tenant has made one call.
    assert (
        crossed[3] == 4
        and crossed[4] == pytest.approx(4 / 3)
        and crossed[8] == 1
        and crossed[10:] == ("open", "not told yet", "", "")
    )
    assert found["tokens of a agent", "globex"][3:5] == (50, 0.5) and found["tokens of a agent", "globex"][8:] == (
        0,
        *[""] * 5,
    )
    for table in ("cost_minute_data", "runs_data"):
        client.command(f"TRUNCATE TABLE telemetry.{table}")
    put(client, *work("model_calls", 1))
    world.look(ended=True)
    (again,) = [row for row in rows(client, query) if row[0] == "model_calls of a tenant"]
    assert again[3] == 1 and again[8] == 1 and again[10] == "resolved"

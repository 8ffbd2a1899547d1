"""The figures of the cost and agents dashboards, recomputed in plain Python from the generated spans."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import yaml

from infra.paths import CONFIGS
from tests.oracle import Oracle, SpanRow
from tests.oracle_data import Prices
from tests.pipeline.dashboard_data import SCENARIO
from tests.pipeline.dashboard_world import (  # noqa: F401
    PANELS,
    World,
    oracle_of_the_workload,
    world_full_of_it,
    world_without_rows,
)
from tests.pipeline.test_dashboard_figures import (
    POINT_S,
    between,
    by_point,
    calls,
    grouped,
    nearly,
    point,
    told,
    told_usd,
)


def scenario_prices() -> Prices:
    """The scenario's table by its meaning: each model of `instead` at the other's entry, all else as it is."""
    content = yaml.safe_load((CONFIGS / "price_scenarios.yaml").read_text())
    (instead,) = [item["instead"] for item in content["scenarios"] if item["name"] == SCENARIO]
    entries = {price.model: price for price in Prices.load().entries}
    return Prices(tuple(replace(entries[instead.get(model, model)], model=model) for model in entries))


def cost_at(prices: Prices, row: SpanRow) -> Decimal | None:
    text = row.lifted
    return prices.cost(text["provider"], text["model"], datetime.now(UTC), row.tokens)


@pytest.mark.parametrize(
    ("title", "column", "name"),
    [
        ("By tenant", None, "tenant"),
        ("By provider", "provider", "provider"),
        ("By model", "model", "model"),
    ],
)
def test_cost_over_time_by_dimension(world: World, oracle: Oracle, title: str, column: str | None, name: str) -> None:
    def dimension(row: SpanRow) -> str:
        return row.lifted[column] if column else row.tenant_id

    wanted = grouped(calls(oracle), lambda row: (point(row.start_ns), dimension(row)))
    found = by_point(world.drawn(f"cost: By whom and what / {title}"), name, "usd")
    minutes = POINT_S / 60
    assert nearly(
        {key: value and value * minutes for key, value in found.items()},
        {key: told_usd(rows) for key, rows in wanted.items()},
    )


@pytest.mark.parametrize(("title", "column"), [("By workflow", "workflow_id"), ("By agent", "agent_name")])
def test_the_ten_dearest(world: World, oracle: Oracle, title: str, column: str) -> None:
    groups = grouped(calls(oracle), lambda row: row.lifted[column] or "(none)")
    says = {"known": "", "at least": " (at least)", "unpriced": " (unpriced)"}
    named = {f"{name}{says[told(rows)[0]]}": told_usd(rows) for name, rows in groups.items()}
    dearest = sorted(named.items(), key=lambda item: (-(item[1] if item[1] is not None else -1), item[0]))[:10]
    found = [tuple(row.values()) for row in world.drawn(f"cost: By whom and what / {title}")]
    assert [name for name, _ in found] == [name for name, _ in dearest]
    assert nearly(dict(found), dict(dearest))


def test_cost_by_tool_is_that_of_the_runs_that_call_it(world: World, oracle: Oracle) -> None:
    tools: dict[str, set[Any]] = defaultdict(set)
    for row in oracle.spans:
        if row.is_tool:
            tools[row.lifted["tool_name"]].add((row.tenant_id, row.trace_id))
    made = grouped(calls(oracle), lambda row: (row.tenant_id, row.trace_id))
    wanted = {
        tool: (len(keys), told([row for key in keys for row in made.get(key, [])])) for tool, keys in tools.items()
    }
    rows = world.drawn("cost: By whom and what / By tool")
    assert len(rows) == min(20, len(wanted))
    for row in rows:
        count, (says, cost) = wanted[row["tool"]]
        assert (int(row["runs"]), row["cost"]) == (count, says) and row["usd"] == pytest.approx(cost)
        assert row["usd_a_run"] == (None if cost is None else pytest.approx(cost / count))


def test_cost_of_a_trace_and_of_a_successful_run(world: World, oracle: Oracle) -> None:
    runs = list(oracle.runs().values())
    (cost,) = world.drawn("cost: In short / Cost per trace")
    spent = float(sum(run.cost_usd for run in runs))
    assert cost["usd_a_trace"] == pytest.approx(spent / len(runs))
    assert cost["usd_a_success"] == pytest.approx(spent / sum(run.outcome == "ok" for run in runs))


def test_tokens_over_time_by_what_is_paid_for_them(world: World, oracle: Oracle) -> None:
    points = grouped(calls(oracle), lambda row: point(row.start_ns))
    rows = world.drawn("cost: Models and tokens / Tokens a minute")

    def total(spans: list[SpanRow], kind: str) -> int:
        return sum(span.tokens[kind] or 0 for span in spans)

    for column, kinds in {
        "input": ("tokens_prompt", "tokens_cached"),
        "cached": ("tokens_cached",),
        "output": ("tokens_completion", "tokens_reasoning"),
        "reasoning": ("tokens_reasoning",),
    }.items():
        wanted = {
            at: total(spans, kinds[0]) - sum(total(spans, kind) for kind in kinds[1:]) for at, spans in points.items()
        }
        assert by_point(rows, None, column) == pytest.approx({at: n / (POINT_S / 60) for at, n in wanted.items()})


def test_models_at_todays_prices_and_at_the_chosen_ones(world: World, oracle: Oracle) -> None:
    models = grouped(calls(oracle), lambda row: (row.lifted["provider"], row.lifted["model"]))
    today, chosen = Prices.load(), scenario_prices()
    rows = {(row["provider"], row["model"]): row for row in world.drawn("cost: Models and tokens / Models")}
    assert rows.keys() == models.keys()
    cheaper = 0
    for key, spans in models.items():
        row = rows[key]
        assert (row["cost"], row["booked_usd"]) == (told(spans)[0], pytest.approx(told_usd(spans)))
        for column, prices in (("usd_at_prices_of_now", today), ("usd_at_chosen_prices", chosen)):
            costs = [cost for span in spans if (cost := cost_at(prices, span)) is not None]
            if row[column] is None:
                assert not costs, key
            else:
                assert row[column] == pytest.approx(float(sum(costs))), (key, column)
        cheaper += (row["usd_at_chosen_prices"] or 0) < (row["usd_at_prices_of_now"] or 0)
    assert cheaper, "the scenario changes nothing"
    same = world.drawn("cost: Models and tokens / Models", prices="list prices of now")
    assert all(row["usd_at_chosen_prices"] == row["usd_at_prices_of_now"] for row in same)


def test_what_all_and_each_tenant_would_cost_at_the_chosen_prices(world: World, oracle: Oracle) -> None:
    prices = scenario_prices()
    # Compared is a model that has a price: a span without tokens then costs nothing there.
    priced = {span.lifted["model"] for span in calls(oracle) if cost_at(prices, span) is not None}
    wanted: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for span in calls(oracle):
        sums = wanted[span.tenant_id]
        sums[0] += float(span.cost_usd or 0)
        if span.lifted["model"] in priced:
            sums[1] += float(span.cost_usd or 0)
            sums[2] += float(cost_at(prices, span) or 0)
    (total,) = world.drawn("cost: At other prices / Change")
    booked, there = (sum(sums[at] for sums in wanted.values()) for at in (1, 2))
    assert total["usd_at_chosen_prices"] == pytest.approx(there)
    assert total["change"] == pytest.approx(there / booked - 1)
    rows = world.drawn("cost: At other prices / By tenant")
    for row in rows:
        found = [row[name] for name in ("booked_usd", "comparable_usd", "usd_at_chosen_prices")]
        assert row["cost"] in ("known", "at least")
        assert found == pytest.approx(wanted[row["tenant"]])


def test_unpriced_models_and_their_share(world: World, oracle: Oracle) -> None:
    unpriced = grouped(
        (row for row in calls(oracle) if row.cost_source == "unpriced"),
        lambda row: (row.lifted["model"], row.lifted["provider"]),
    )
    rows = {(row["model"], row["provider"]): row for row in world.drawn("cost: Out of the ordinary / Unpriced models")}
    assert rows.keys() == unpriced.keys() and rows
    for key, spans in unpriced.items():
        assert int(rows[key]["unpriced"]) == len(spans)
        assert rows[key]["share_of_calls"] == pytest.approx(len(spans) / len(calls(oracle)))


def book(world: World, at: datetime, tenant: str, cost: str) -> None:
    world.engine.query(
        "INSERT INTO telemetry.cost_minute_data (tenant_id, minute, generation, env, provider, model, calls, cost_usd) "
        f"VALUES ('{tenant}', toDateTime({int(at.timestamp())}), 0, 'local', 'p', 'm', 1, {cost})"
    )


def test_a_spike_stands_out_against_the_same_hour_of_seven_days(empty: World) -> None:
    end = datetime.now(UTC).replace(hour=12, minute=30, second=0, microsecond=0) - timedelta(days=1)
    hour = end.replace(minute=0) - timedelta(hours=1)
    book(empty, hour + timedelta(minutes=7), "spiky", "21")
    book(empty, hour + timedelta(minutes=59), "spiky", "7")
    for day in range(1, 8):
        book(empty, hour - timedelta(days=day) + timedelta(minutes=3), "spiky", "2")
    # Another hour, a day too long ago, and the hour that is not over: none of them counts.
    book(empty, hour - timedelta(days=1, hours=1), "spiky", "1000")
    book(empty, hour - timedelta(days=8), "spiky", "1000")
    book(empty, hour + timedelta(minutes=61), "spiky", "1000")
    book(empty, hour, "calm", "1")
    view = replace(empty.view, start=end - timedelta(hours=3), end=end)
    try:
        first, second = empty.drawn("cost: Out of the ordinary / Spikes", view)
        week = {row["time"]: row for row in empty.drawn("cost: Out of the ordinary / Against the last 7 days", view)}
    finally:
        empty.engine.query("TRUNCATE TABLE telemetry.cost_minute_data")
    assert (first["tenant"], first["usd"], first["usual"], first["times"]) == ("spiky", 28, 2, 14)
    assert (second["tenant"], second["usd"], second["usual"], second["times"]) == ("calm", 1, 0, None)
    at = week[hour.strftime("%Y-%m-%d %H:%M:%S")]
    assert (at["usd"], at["usual"]) == (29, 2)


def test_a_pipeline_that_is_three_days_old_is_compared_with_three_days(empty: World) -> None:
    end = datetime.now(UTC).replace(hour=12, minute=30, second=0, microsecond=0) - timedelta(days=1)
    hour = end.replace(minute=0) - timedelta(hours=1)
    for day in range(4):
        book(empty, hour - timedelta(days=day) + timedelta(minutes=3), "steady", "6")
    view = replace(empty.view, start=end - timedelta(hours=3), end=end)
    try:
        (row,) = empty.drawn("cost: Out of the ordinary / Spikes", view)
        week = {row["time"]: row for row in empty.drawn("cost: Out of the ordinary / Against the last 7 days", view)}
    finally:
        empty.engine.query("TRUNCATE TABLE telemetry.cost_minute_data")
    assert (row["tenant"], row["usd"], row["usual"], row["times"]) == ("steady", 6, 6, 1)
    at = week[hour.strftime("%Y-%m-%d %H:%M:%S")]
    assert (at["usd"], at["usual"]) == (6, 6)


@pytest.mark.parametrize(
    "now",
    [
        datetime(2096, 7, 17, 14, 20, 9, tzinfo=UTC),
        datetime(2096, 2, 29, 23, 59, 59, tzinfo=UTC),
        datetime(2095, 12, 31, 0, 0, 0, tzinfo=UTC),
        datetime(2096, 1, 1, 0, 0, 1, tzinfo=UTC),
    ],
    ids=str,
)
def test_month_to_date_and_the_forecast(empty: World, now: datetime) -> None:
    """At moments that no table has forgotten: the query's clock is set."""
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    booked = {first: 5.0, now - timedelta(days=3): 70.0, now - timedelta(days=6, hours=23): 14.0}
    for at, cost in booked.items():
        book(empty, at, "acme", str(cost))
    text = PANELS["cost: In short / Forecast for the month"][1]["targets"][0]["rawSql"]
    assert "now('UTC')" in text and "now()" not in text
    try:
        (row,) = empty.rows(text.replace("now('UTC')", f"toDateTime({int(now.timestamp())}, 'UTC')"))
    finally:
        empty.engine.query("TRUNCATE TABLE telemetry.cost_minute_data")
    to_date = sum(cost for at, cost in booked.items() if at >= first)
    lately = sum(cost for at, cost in booked.items() if at >= now - timedelta(days=7))
    known = min(7.0, (now - min(booked)).total_seconds() / 86400)
    left = (following - now).total_seconds() / 86400
    assert row["to_date"] == pytest.approx(to_date)
    assert row["forecast"] == pytest.approx(to_date + lately / known * left)


def test_agents_in_short_runs_tools_and_workflows(world: World, oracle: Oracle) -> None:
    runs = list(oracle.runs().values())
    ended = [run for run in runs if run.outcome != "running"]
    (totals,) = world.drawn("agents: In short / Runs")
    assert int(totals["runs"]) == len(runs)
    assert totals["success"] == pytest.approx(sum(run.outcome == "ok" for run in ended) / len(ended))
    assert totals["steps_a_run"] == pytest.approx(len(oracle.spans) / len(runs))
    assert totals["looping"] == pytest.approx(sum(run.loops > 0 for run in runs) / len(runs))
    tools = grouped((row for row in oracle.spans if row.is_tool), lambda row: row.lifted["tool_name"])
    rows = {row["tool"]: row for row in world.drawn("agents: Tools / Tools")}
    assert rows.keys() == tools.keys()
    for tool, spans in tools.items():
        failed = sum(span.is_error for span in spans)
        assert (int(rows[tool]["tool_calls"]), int(rows[tool]["failed"])) == (len(spans), failed)
        assert rows[tool]["success"] == pytest.approx(1 - failed / len(spans))
        assert between(rows[tool]["p50"], [span.duration_ns for span in spans], 0.5)
        assert between(rows[tool]["p95"], [span.duration_ns for span in spans], 0.95)
    flows: dict[str, list[Any]] = defaultdict(list)
    for run in runs:
        flows[run.workflow_id or "(none)"].append(run)
    for row in world.drawn("agents: Slow, dear and going in circles / Workflows"):
        mine = flows[row["workflow"]]
        spent, unpriced = float(sum(run.cost_usd for run in mine)), sum(run.unpriced_calls for run in mine)
        assert int(row["runs"]) == len(mine) and row["usd"] == (pytest.approx(spent) if spent or not unpriced else None)
        assert row["cost"] == ("known" if not unpriced else "at least" if spent else "unpriced")
        over = [run for run in mine if run.outcome != "running"]
        assert row["success"] == pytest.approx(sum(run.outcome == "ok" for run in over) / len(over))


def test_runs_steps_and_loops_over_time(world: World, oracle: Oracle) -> None:
    agents: dict[Any, list[Any]] = defaultdict(list)
    points: dict[Any, list[Any]] = defaultdict(list)
    for run in oracle.runs().values():
        agents[point(run.start_ns), run.agent_name or "(none)"].append(run)
        points[point(run.start_ns)].append(run)
    assert by_point(world.drawn("agents: Runs / Runs a minute"), "agent", "runs") == pytest.approx(
        {key: len(runs) / (POINT_S / 60) for key, runs in agents.items()}
    )
    assert by_point(world.drawn("agents: Runs / Loops a run"), "agent", "loops") == pytest.approx(
        {key: sum(run.loops for run in runs) / len(runs) for key, runs in agents.items()}
    )
    assert by_point(world.drawn("agents: Runs / Steps a run"), None, "most") == pytest.approx(
        {at: max(run.steps for run in runs) for at, runs in points.items()}
    )
    for column, figure in (("model_calls", "model_calls"), ("tool_calls", "tool_calls")):
        assert by_point(world.drawn("agents: Runs / Calls a run"), None, column) == pytest.approx(
            {at: sum(getattr(run, figure) for run in runs) / len(runs) for at, runs in points.items()}
        )


def test_finish_reasons_and_models(world: World, oracle: Oracle) -> None:
    reasons = grouped(calls(oracle), lambda row: row.lifted["finish_reason"] or "(not told)")
    found = {row["reason"]: int(row["model_calls"]) for row in world.drawn("agents: Runs / Why models stopped")}
    assert found == {reason: len(rows) for reason, rows in reasons.items()}
    models = grouped(calls(oracle), lambda row: row.lifted["model"])
    for row in world.drawn("agents: Versions and models / Models"):
        spans = models[row["model"]]
        assert int(row["model_calls"]) == len(spans)
        assert row["error_rate"] == pytest.approx(sum(span.is_error for span in spans) / len(spans))

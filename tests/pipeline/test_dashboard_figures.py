"""The figures of the key panels are those of the generated spans, recomputed in plain Python: overview, SLOs, traces."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.dashboards.objectives import objectives
from tests.oracle import Oracle, SpanRow
from tests.pipeline.dashboard_world import (  # noqa: F401
    World,
    oracle_of_the_workload,
    world_full_of_it,
    world_without_rows,
)

POINT_S = 300
"""The width of a point in the tests' view."""
SKETCH = 0.02
"""Relative error of the stored latency sketch is 1 %; as much again for what a quantile of few values may mean."""
Groups = dict[Any, list[SpanRow]]


def point(time: Any) -> datetime:
    """The point in which a moment (nanoseconds, or a row's text) lies."""
    if isinstance(time, str):
        return datetime.fromisoformat(time).replace(tzinfo=UTC)
    return datetime.fromtimestamp(time // 10**9 // POINT_S * POINT_S, UTC)


def grouped(rows: Iterable[SpanRow], key: Callable[[SpanRow], Any]) -> Groups:
    found: Groups = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return dict(found)


def by_point(rows: list[dict[str, Any]], name: str | None, figure: str) -> dict[Any, Any]:
    """A time series' figures by point, and by name where it has one."""
    return {
        (point(row["time"]), row[name]) if name else point(row["time"]): None
        if row[figure] is None
        else float(row[figure])
        for row in rows
    }


def between(found: float, durations: list[int], share: float) -> bool:
    """Whether it is a quantile of the durations (ns), within the sketch's error."""
    ordered = sorted(ns / 1e6 for ns in durations)
    rank = share * (len(ordered) - 1)
    low, high = ordered[math.floor(rank)], ordered[math.ceil(rank)]
    return low * (1 - SKETCH) <= found <= high * (1 + SKETCH)


def usd(rows: Iterable[SpanRow]) -> float:
    return float(sum(row.cost_usd or 0 for row in rows))


def told(rows: Iterable[SpanRow]) -> tuple[str, float | None]:
    """How much the cost of model calls tells, and the cost; none where nothing is known."""
    made = list(rows)
    if not any(row.cost_source == "unpriced" for row in made):
        return "known", usd(made)
    return ("at least", usd(made)) if usd(made) else ("unpriced", None)


def told_usd(rows: Iterable[SpanRow]) -> float | None:
    return told(rows)[1]


def nearly(found: dict[Any, float | None], wanted: dict[Any, float | None]) -> bool:
    """approx() that knows of nothing."""
    known = {key: value for key, value in wanted.items() if value is not None}
    nothing = {key for key, value in found.items() if value is None}
    return nothing == wanted.keys() - known.keys() and {
        key: value for key, value in found.items() if value is not None
    } == pytest.approx(known)


def calls(oracle: Oracle) -> list[SpanRow]:
    return [row for row in oracle.spans if row.is_inference]


def test_the_overview_s_one_row_figures(world: World, oracle: Oracle) -> None:
    (totals,) = world.drawn("overview: Now / Latency p95")
    assert totals["error_rate"] == pytest.approx(sum(row.is_error for row in oracle.spans) / len(oracle.spans))
    assert totals["traces_a_minute"] == pytest.approx(len({row.trace_id for row in oracle.spans}) / 360)
    assert between(totals["p95"], [row.duration_ns for row in oracle.spans], 0.95)
    (cost,) = world.drawn("overview: Now / Cost")
    assert int(cost["model_calls"]) == len(calls(oracle))
    assert cost["usd"] == pytest.approx(usd(calls(oracle)))
    assert int(cost["tokens"]) == sum(
        (row.tokens["tokens_prompt"] or 0) + (row.tokens["tokens_completion"] or 0) for row in calls(oracle)
    )
    unpriced = sum(row.cost_source == "unpriced" for row in calls(oracle))
    assert unpriced and cost["unpriced_share"] == pytest.approx(unpriced / len(calls(oracle)))


def test_latency_over_time_is_within_the_sketch_s_error(world: World, oracle: Oracle) -> None:
    wanted = grouped(oracle.spans, lambda row: point(row.start_ns))
    rows = {point(row["time"]): row for row in world.drawn("overview: Over time / Latency")}
    assert rows.keys() == wanted.keys()
    for at, row in rows.items():
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
            assert between(row[name], [span.duration_ns for span in wanted[at]], share), (at, name, row[name])


def test_errors_traces_cost_and_tokens_over_time(world: World, oracle: Oracle) -> None:
    minutes = POINT_S / 60
    services = grouped(oracle.spans, lambda row: (point(row.start_ns), row.service_name))
    assert by_point(
        world.drawn("overview: Over time / Error rate by service"), "service", "error_rate"
    ) == pytest.approx({key: sum(row.is_error for row in rows) / len(rows) for key, rows in services.items()})
    points = grouped(oracle.spans, lambda row: point(row.start_ns))
    assert by_point(world.drawn("overview: Over time / Traces a minute"), None, "traces") == pytest.approx(
        {at: len({(row.tenant_id, row.trace_id) for row in rows}) / minutes for at, rows in points.items()}
    )
    models = grouped(calls(oracle), lambda row: (point(row.start_ns), row.lifted["model"]))
    found = by_point(world.drawn("overview: Over time / Cost a minute by model"), "model", "usd")
    assert None in found.values(), "an unpriced model is no free one"
    assert nearly(
        {key: value and value * minutes for key, value in found.items()},
        {key: told_usd(rows) for key, rows in models.items()},
    )
    tokens = grouped(calls(oracle), lambda row: point(row.start_ns))
    for column, kind in (("input", "tokens_prompt"), ("output", "tokens_completion")):
        assert by_point(world.drawn("overview: Over time / Tokens a minute"), None, column) == pytest.approx(
            {at: sum(row.tokens[kind] or 0 for row in rows) / minutes for at, rows in tokens.items()}
        )


def test_runs_a_minute_by_outcome(world: World, oracle: Oracle) -> None:
    wanted: dict[Any, float] = defaultdict(float)
    for run in oracle.runs().values():
        wanted[point(run.start_ns), run.outcome] += 60 / POINT_S
    assert by_point(world.drawn("overview: Over time / Runs a minute by outcome"), "outcome", "runs") == pytest.approx(
        dict(wanted)
    )


def test_top_tenants_and_what_fails(world: World, oracle: Oracle) -> None:
    spent = {tenant: usd(rows) for tenant, rows in grouped(calls(oracle), lambda row: row.tenant_id).items()}
    assert all(spent.values()), "each has something that is known"
    found = [
        (row["tenant"], row["usd"]) for row in world.drawn("overview: What goes wrong, what is going on / Top tenants")
    ]
    dearest = sorted(spent.items(), key=lambda item: (-item[1], item[0]))[:20]
    assert [tenant for tenant, _ in found] == [tenant for tenant, _ in dearest]
    assert dict(found) == pytest.approx(dict(dearest))
    failing = {
        key: (len(rows), sum(row.is_error for row in rows))
        for key, rows in grouped(oracle.spans, lambda row: (row.service_name, row.operation)).items()
    }
    rows = world.drawn("overview: What goes wrong, what is going on / What fails")
    assert (
        rows
        and [int(row["failed"]) for row in rows] == sorted((n for _, n in failing.values() if n), reverse=True)[:20]
    )
    for row in rows:
        everything, failed = failing[row["service"], row["operation"]]
        assert (int(row["spans_all"]), int(row["failed"])) == (everything, failed)
        assert row["error_rate"] == pytest.approx(failed / everything)


def test_who_fails_is_slow_or_expensive_is_named_whoever_stands_out_first(world: World, oracle: Oracle) -> None:
    runs: list[Any] = list(oracle.runs().values())
    tools: dict[str, set[Any]] = defaultdict(set)
    for row in oracle.spans:
        if row.is_tool:
            tools[row.lifted["tool_name"]].add((row.tenant_id, row.trace_id))
    by_trace = grouped(calls(oracle), lambda row: (row.tenant_id, row.trace_id))

    def made_in(keys: Iterable[Any]) -> list[SpanRow]:
        return [row for key in keys for row in by_trace.get(key, [])]

    def by_name(name: Callable[[Any], str]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = defaultdict(list)
        for run in runs:
            found[name(run)].append(run)
        return found

    def of_runs(name: Callable[[Any], str]) -> dict[str, tuple[int, int, list[int], list[SpanRow]]]:
        return {
            key: (
                len(mine),
                sum(run.outcome == "error" for run in mine),
                [run.duration_ns for run in mine if run.outcome != "running"],
                made_in((run.tenant_id, run.trace_id) for run in mine),
            )
            for key, mine in by_name(name).items()
        }

    def of_spans(groups: Groups, cost: Callable[[str], Iterable[SpanRow]]) -> dict[str, Any]:
        return {
            key: (len(rows), sum(row.is_error for row in rows), [row.duration_ns for row in rows], list(cost(key)))
            for key, rows in groups.items()
        }

    models = grouped(calls(oracle), lambda row: row.lifted["model"])
    called = grouped((row for row in oracle.spans if row.is_tool), lambda row: row.lifted["tool_name"])
    for title, wanted in {
        "Tenants": of_runs(lambda run: run.tenant_id),
        "Workflows": of_runs(lambda run: run.workflow_id or "(none)"),
        "Models": of_spans(models, models.__getitem__),
        "Tools": of_spans(called, lambda tool: made_in(tools[tool])),
    }.items():
        rows = world.drawn(f"overview: Who is slow, failing or expensive / {title}")
        assert len(rows) == min(20, len(wanted)), title
        for row in rows:
            name, failing, p95, cost, usd_, count = row.values()
            everything, failed, durations, made = wanted[name]
            assert int(count) == everything and failing == pytest.approx(failed / everything), (title, name)
            assert between(p95, durations, 0.95), (title, name)
            assert (cost, usd_) == (told(made)[0], pytest.approx(told(made)[1])), (title, name)
        top = [next(iter(row.values())) for row in rows[:3]]
        weight = {name: failed * failed / everything for name, (everything, failed, _, _) in wanted.items()}
        assert max(weight, key=weight.__getitem__) in top, title
        assert max(wanted, key=lambda name: told(wanted[name][3])[1] or 0) in top, title


CALLED: dict[str, tuple[str, Callable[[SpanRow], bool]]] = {
    "agent": ("agent_name", lambda row: bool(row.lifted["agent_name"])),
    "model": ("model", lambda row: row.is_inference),
    "tool": ("tool_name", lambda row: row.is_tool),
}


@pytest.mark.parametrize("name", CALLED)
def test_a_chosen_agent_tool_or_model_chooses_the_runs_that_it_took_part_in(
    world: World, oracle: Oracle, name: str
) -> None:
    column, has_it = CALLED[name]
    groups = grouped((row for row in oracle.spans if has_it(row)), lambda row: row.lifted[column])
    least = min(groups, key=lambda key: len({row.trace_id for row in groups[key]}))
    runs = {row.trace_id for row in groups[least]}
    assert len(runs) < len(oracle.runs()) / 2
    chosen: dict[str, Any] = {name: [least]}
    nobody: dict[str, Any] = {name: ["nobody's"]}
    (totals,) = world.drawn("agents: In short / Runs", None, **chosen)
    assert int(totals["runs"]) == len(runs)
    found = world.drawn("traces: Search / Traces", None, **chosen)
    assert {row["trace_id"] for row in found} <= {run.hex() for run in runs} and len(found) == min(200, len(runs))
    flows = world.drawn("agents: Slow, dear and going in circles / Workflows", None, **chosen)
    assert sum(int(row["runs"]) for row in flows) == len(runs)
    assert world.drawn("agents: In short / Runs", None, **nobody) == []


def requests_of(oracle: Oracle) -> Groups:
    return grouped((row for row in oracle.spans if row.is_entry), lambda row: (row.service_name, row.tenant_id))


@pytest.mark.parametrize("which", ["Availability", "Latency"])
def test_an_objective_s_share_budget_and_burn_rates(world: World, oracle: Oracle, which: str) -> None:
    (objective,) = [slo for slo in objectives() if (slo.service, slo.tenant) == ("*", "*")]
    target = objective.availability if which == "Availability" else objective.latency_share

    def bad(rows: list[SpanRow]) -> int:
        if which == "Availability":
            return sum(row.is_error for row in rows)
        return sum(row.duration_ns / 1e6 > objective.latency_ms for row in rows)

    wanted = requests_of(oracle)
    rows = {(row["service"], row["tenant"]): row for row in world.drawn(f"slos: {which} / {which}")}
    assert rows.keys() == wanted.keys(), "not a request of every service"
    end = world.view.end.timestamp()
    for key, row in rows.items():
        share = bad(wanted[key]) / len(wanted[key])
        assert int(row["requests"]) == len(wanted[key]) and row["reached"] == pytest.approx(1 - share)
        told = 1 - share / (1 - target) if len(wanted[key]) >= objective.least_requests else None
        assert row["budget_left"] == (told if told is None else pytest.approx(told))
        for name, seconds in (("burn_5m", 300), ("burn_1h", 3600), ("burn_6h", 6 * 3600), ("burn_3d", 3 * 86400)):
            # By minutes, as they are stored.
            lately = [span for span in wanted[key] if span.start_ns // (60 * 10**9) * 60 > end - seconds]
            if len(lately) < objective.least_requests:
                assert row[name] is None, "too few to tell"
            else:
                assert row[name] == pytest.approx(bad(lately) / len(lately) / (1 - target)), name
    services = grouped(
        (row for row in oracle.spans if row.is_entry), lambda row: (point(row.start_ns), row.service_name)
    )
    burns = {key: bad(spans) / len(spans) / (1 - target) for key, spans in services.items()}
    assert by_point(world.drawn(f"slos: {which} / Burn rate"), "service", "burn") == pytest.approx(burns)
    reached = {key: 1 - bad(spans) / len(spans) for key, spans in services.items()}
    assert by_point(world.drawn(f"slos: {which} / Reached"), "service", "reached") == pytest.approx(reached)


def test_the_worst_budget_is_the_worst_of_all(world: World, oracle: Oracle) -> None:
    (objective,) = objectives()
    left = []
    for rows in requests_of(oracle).values():
        if len(rows) < objective.least_requests:
            continue
        failed = sum(row.is_error for row in rows) / len(rows)
        slow = sum(row.duration_ns / 1e6 > objective.latency_ms for row in rows) / len(rows)
        left.append((1 - failed / (1 - objective.availability), 1 - slow / (1 - objective.latency_share)))
    (worst,) = world.drawn("slos: In short / Least availability budget")
    assert worst["availability_budget"] == pytest.approx(min(first for first, _ in left))
    assert worst["latency_budget"] == pytest.approx(min(second for _, second in left))
    assert int(worst["used_up"]) == sum(min(pair) <= 0 for pair in left) > 0


def test_a_trace_is_shown_whole_and_each_span_once(world: World, oracle: Oracle) -> None:
    chosen = str(world.view.variables["trace_id"])
    wanted = {row.span_id.hex(): row for row in oracle.spans if row.trace_id.hex() == chosen}
    # Sent again, it is still shown once.
    world.engine.query(
        f"INSERT INTO telemetry.spans_raw SELECT * FROM telemetry.spans_raw WHERE trace_id = unhex('{chosen}')"
    )
    rows = world.drawn("traces: The trace / Spans")
    assert sorted(row["spanID"] for row in rows) == sorted(wanted)
    for row in rows:
        span = wanted[row["spanID"]]
        assert row["parentSpanID"] == span.parent_span_id.hex() and row["operationName"] == span.operation
        assert row["startTime"] == pytest.approx(span.start_ns / 1e6) and row["duration"] == span.duration_ns / 1e6
    (totals,) = world.drawn("traces: The trace / Cost")
    assert int(totals["spans"]) == len(wanted)
    assert int(totals["failed"]) == sum(row.is_error for row in wanted.values())
    made = [row for row in wanted.values() if row.is_inference]
    assert totals["usd"] == pytest.approx(told_usd(made))
    listed = world.drawn("traces: The trace / Model calls")
    shown = sorted((row["span"], round(float(row["usd"] or 0), 9)) for row in listed)
    assert shown == sorted((row.operation, round(float(row.cost_usd or 0), 9)) for row in made)
    for nonsense in ("", "zz", "' OR 1 = 1 --", "0" * 31):
        assert world.drawn("traces: The trace / Spans", trace_id=nonsense) == []


def test_a_search_finds_the_newest_traces_with_their_figures(world: World, oracle: Oracle) -> None:
    runs = {run.trace_id.hex(): run for run in oracle.runs().values()}
    rows = world.drawn("traces: Search / Traces")
    newest = sorted(runs.values(), key=lambda run: run.start_ns, reverse=True)[:200]
    assert {row["trace_id"] for row in rows} == {run.trace_id.hex() for run in newest}
    for row in rows:
        run = runs[row["trace_id"]]
        assert (int(row["steps"]), int(row["errors"]), row["outcome"]) == (run.steps, run.errors, run.outcome)
        assert row["duration"] == pytest.approx(run.duration_ns / 1e6)
        unpriced = "known" if not run.unpriced_calls else "at least" if run.cost_usd else "unpriced"
        assert row["cost"] == unpriced
        assert row["usd"] == (None if unpriced == "unpriced" else pytest.approx(float(run.cost_usd)))
    assert {row["cost"] for row in rows} >= {"known", "unpriced"}
    failed = world.drawn("traces: Search / Traces", outcome=["error"])
    assert failed and {row["outcome"] for row in failed} == {"error"}
    user = next(run.user_id for run in newest if run.user_id)
    assert {runs[row["trace_id"]].user_id for row in world.drawn("traces: Search / Traces", search=user)} == {user}

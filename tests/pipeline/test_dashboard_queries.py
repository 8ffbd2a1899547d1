"""Every query of every panel and variable in the real engine: on the recorded workload and on an empty database."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.dashboards.catalogue import build_all
from infra.dashboards.clickhouse import sql
from infra.dashboards.objectives import objectives
from infra.dashboards.render.macros import All, View, expand
from tests.oracle import Oracle
from tests.pipeline.dashboard_data import HOURS, SPANS, fill, telling_trace
from tests.pipeline.schema_engine import SchemaEngine
from tests.workload import default_start, requests

ANSWER_SECONDS = 20
"""Generous: the machine may be busy; a query that reads what it should not takes far longer on real data."""
MODELS = build_all("agent-telemetry-test")
PANELS = {
    f"{slug}: {row} / {panel['title']}": (slug, panel)
    for slug, model in MODELS.items()
    for row, panel in [
        (next(p["title"] for p in reversed(model["panels"][: number + 1]) if p["type"] == "row"), panel)
        for number, panel in enumerate(model["panels"])
        if panel["type"] != "row"
    ]
}
VARIABLES = {
    f"{slug}: {variable['name']}": variable["query"]
    for slug, model in MODELS.items()
    for variable in model["templating"]["list"]
    if variable["type"] == "query"
}
MAY_BE_EMPTY = {
    "health: Tables and disks / Merges and mutations": "nothing is merging",
    "overview: Who and what / Running now": "the workload's runs have all ended",
}
TRACE_COLUMNS = {"traceID", "spanID", "parentSpanID", "serviceName", "operationName", "startTime", "duration"}
LOGS_COLUMNS = ["timestamp", "body", "level"]


@dataclass
class World:
    """An engine, and what is looked at."""

    engine: SchemaEngine
    view: View
    arrived: View
    """The time in which the workload came in."""

    def rows(self, text: str, view: View | None = None) -> list[dict[str, Any]]:
        return self.engine.query(expand(text, view or self.view))

    def named(self, name: str, **chosen: Any) -> list[dict[str, Any]]:
        """Rows of the query `name` with some variables chosen."""
        return self.rows(sql(name), replace(self.view, variables={**self.view.variables, **chosen}))

    def columns(self, text: str) -> dict[str, str]:
        statement = expand(text, self.view).strip()
        return {row["name"]: row["type"] for row in self.engine.query(f"DESCRIBE ({statement})")}


def everything(trace_id: str) -> dict[str, Any]:
    names = ("environment", "tenant", "service", "agent", "model", "workflow", "tool", "outcome")
    return {**{name: All("'*'") for name in names}, "search": "", "trace_id": trace_id, "prices": "one size smaller"}


def six_hours(variables: dict[str, Any]) -> View:
    """The hours of the workload."""
    start = default_start()
    return View(start, start + timedelta(hours=HOURS), 300, variables)


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle(requests(SPANS, hours=HOURS))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, oracle: Oracle) -> Iterator[World]:
    engine = SchemaEngine(tmp_path_factory.mktemp("filled"), "otlp_proto")
    began = datetime.now(UTC)
    fill(engine, next(row.tenant_id for row in oracle.spans))
    view = six_hours(everything(telling_trace(engine)))
    arrived = View(began - timedelta(minutes=1), datetime.now(UTC) + timedelta(minutes=1), 10, view.variables)
    yield World(engine, view, arrived)
    engine.stop()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    engine = SchemaEngine(tmp_path_factory.mktemp("empty"), "otlp_proto")
    view = six_hours(everything(""))
    yield World(engine, view, view)
    engine.stop()


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_s_query_answers_with_what_the_panel_needs(world: World, name: str) -> None:
    slug, panel = PANELS[name]
    (target,) = panel["targets"]
    began = time.monotonic()
    view = world.arrived if slug == "health" and "minute" not in target["rawSql"].split("FROM")[-1] else world.view
    rows = world.rows(target["rawSql"], view)
    assert time.monotonic() - began < ANSWER_SECONDS
    if name not in MAY_BE_EMPTY:
        assert rows, "nothing to draw"
    check_columns(panel, world.columns(target["rawSql"]))
    if panel["type"] in ("timeseries", "bargauge", "stat"):
        numbers = [value for row in rows for value in row.values() if isinstance(value, int | float)]
        assert numbers, "no figure in what it draws"
    if panel["type"] == "stat":
        assert len(rows) == 1 and rows[0][panel["options"]["reduceOptions"]["fields"][2:-2]] is not None


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_s_query_answers_on_an_empty_database(empty: World, name: str) -> None:
    _, panel = PANELS[name]
    text = panel["targets"][0]["rawSql"]
    rows = empty.rows(text)
    check_columns(panel, empty.columns(text))
    if panel["type"] in ("timeseries", "bargauge", "stat", "traces", "logs"):
        assert not rows, "a figure out of nothing"


def check_columns(panel: dict[str, Any], columns: dict[str, str]) -> None:
    names = list(columns)
    plain = {name: kind.removeprefix("LowCardinality(").removeprefix("Nullable(") for name, kind in columns.items()}
    texts = [name for name in names if plain[name].startswith("String")]
    figures = [name for name in names if plain[name].startswith(("UInt", "Int", "Float"))]
    # Decimals arrive as text in Grafana's frames: a query converts them.
    assert not [kind for kind in plain.values() if "Decimal" in kind]
    match panel["type"]:
        case "timeseries":
            assert names[0] == "time" and plain["time"].startswith("DateTime")
            assert figures and len(texts) <= 1 and len(names) == 1 + len(texts) + len(figures)
        case "bargauge":
            assert (len(texts), len(figures), len(names)) == (1, 1, 2)
        case "stat":
            assert panel["options"]["reduceOptions"]["fields"][2:-2] in figures
        case "table":
            overridden = {item["matcher"]["options"] for item in panel["fieldConfig"]["overrides"]}
            assert overridden <= set(names), "an override of a column that is not there"
        case "traces":
            assert set(names) >= TRACE_COLUMNS
            assert plain["startTime"] == plain["duration"] == "Float64", "milliseconds"
        case "logs":
            assert names[:3] == LOGS_COLUMNS and plain["timestamp"].startswith("DateTime64")
        case kind:
            raise AssertionError(f"what does {kind} need?")


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_offers_text_and_nothing_on_an_empty_database(world: World, empty: World, name: str) -> None:
    offered = [value for row in world.rows(VARIABLES[name]) for value in row.values()]
    assert offered and all(isinstance(value, str) and value for value in offered) and len(set(offered)) == len(offered)
    assert empty.rows(VARIABLES[name]) == []


def test_variables_narrow_each_other_down(world: World, oracle: Oracle) -> None:
    tenant = next(row.tenant_id for row in oracle.spans)
    for name, wanted in {
        "variable_tenant": {row.tenant_id for row in oracle.spans},
        "variable_service": {row.service_name for row in oracle.spans if row.tenant_id == tenant},
        "variable_agent": {row.lifted["agent_name"] for row in oracle.spans if row.tenant_id == tenant},
        "variable_model": {row.lifted["model"] for row in oracle.spans if row.tenant_id == tenant and row.is_inference},
        "variable_tool": {row.lifted["tool_name"] for row in oracle.spans if row.tenant_id == tenant and row.is_tool},
    }.items():
        offered = {value for row in world.named(name, tenant=[tenant]) for value in row.values()}
        assert offered == wanted - {""}, name


def test_the_overview_s_figures_are_those_of_the_spans(world: World, oracle: Oracle) -> None:
    (totals,) = world.named("overview_totals")
    assert int(totals["traces"]) == len({row.trace_id for row in oracle.spans})
    assert totals["error_rate"] == pytest.approx(sum(row.is_error for row in oracle.spans) / len(oracle.spans))
    durations = sorted(row.duration_ns / 1e6 for row in oracle.spans)
    assert totals["p95"] == pytest.approx(durations[int(0.95 * (len(durations) - 1))], rel=0.03)
    calls = [row for row in oracle.spans if row.is_inference]
    (cost,) = world.named("overview_cost_totals")
    assert int(cost["model_calls"]) == len(calls)
    assert cost["usd"] == pytest.approx(float(sum(row.cost_usd or 0 for row in calls)))
    tokens = sum((row.tokens["tokens_prompt"] or 0) + (row.tokens["tokens_completion"] or 0) for row in calls)
    assert int(cost["tokens"]) == tokens
    assert cost["unpriced_share"] == pytest.approx(sum(row.cost_source == "unpriced" for row in calls) / len(calls))


def test_chosen_values_and_odd_ones_filter(world: World, oracle: Oracle) -> None:
    tenants = sorted({row.tenant_id for row in oracle.spans})[:2]
    (totals,) = world.named("overview_totals", tenant=tenants)
    assert int(totals["traces"]) == len({row.trace_id for row in oracle.spans if row.tenant_id in tenants})
    assert world.named("overview_totals", tenant=["O'Neil", "') OR ('1' = '1"]) == []


def test_cost_by_tenant_and_model_is_that_of_the_model_calls(world: World, oracle: Oracle) -> None:
    by_tenant: dict[str, float] = defaultdict(float)
    by_model: dict[tuple[str, str], float] = defaultdict(float)
    repriced = {}
    for (tenant, _, _, provider, model, *_), calls in oracle.cost_minute().items():
        by_tenant[tenant] += float(calls.cost_usd)
        by_model[provider, model] += float(calls.cost_usd)
    found = {row["tenant"]: row["usd"] for row in world.named("overview_tenants")}
    dearest = sorted(by_tenant.items(), key=lambda item: -item[1])[: len(found)]
    assert len(found) == 20 and found == pytest.approx(dict(dearest))
    rows = world.named("cost_by_model")
    assert {(row["provider"], row["model"]): row["booked_usd"] for row in rows} == pytest.approx(by_model)
    sources: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in oracle.spans:
        if row.is_inference:
            sources[row.lifted["provider"], row.lifted["model"]].add(row.cost_source)
    for row in rows:
        repriced[row["provider"], row["model"]] = row["usd_at_prices_of_now"]
    all_priced = {key for key, kinds in sources.items() if kinds == {"priced"}}
    assert all_priced, "nothing to compare"
    for key in all_priced:
        assert repriced[key] == pytest.approx(by_model[key]), "the same tokens at the same prices"
    for key in [key for key, kinds in sources.items() if kinds == {"unpriced"}]:
        assert repriced[key] is None


def test_runs_tools_and_cost_a_run_are_those_of_the_traces(world: World, oracle: Oracle) -> None:
    runs = list(oracle.runs().values())
    (totals,) = world.named("agents_totals")
    assert int(totals["runs"]) == len(runs)
    ended = [run for run in runs if run.outcome != "running"]
    assert totals["success"] == pytest.approx(sum(run.outcome == "ok" for run in ended) / len(ended))
    assert totals["steps_a_run"] == pytest.approx(len(oracle.spans) / len(runs))
    assert totals["looping"] == pytest.approx(sum(run.loops > 0 for run in runs) / len(runs))
    (cost,) = world.named("cost_of_runs")
    usd = float(sum(run.cost_usd for run in runs))
    assert cost["usd_a_trace"] == pytest.approx(usd / len(runs))
    assert cost["usd_a_success"] == pytest.approx(usd / sum(run.outcome == "ok" for run in runs))
    tools: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in oracle.spans:
        if row.is_tool:
            tools[row.lifted["tool_name"]][0] += 1
            tools[row.lifted["tool_name"]][1] += row.is_error
    found = {row["tool"]: [int(row["tool_calls"]), int(row["failed"])] for row in world.named("agents_tools")}
    assert found == tools


def test_objectives_are_measured_on_the_spans(world: World, oracle: Oracle) -> None:
    (objective,) = [slo for slo in objectives() if (slo.service, slo.tenant) == ("*", "*")]
    spans: dict[tuple[str, str], list[tuple[bool, bool]]] = defaultdict(list)
    for row in oracle.spans:
        if not row.is_entry:
            continue
        slow = row.duration_ns / 1e6 > objective.latency_ms
        spans[row.service_name, row.tenant_id].append((row.is_error, slow))
    for name, which, target in (
        ("slos_availability", 0, objective.availability),
        ("slos_latency", 1, objective.latency_share),
    ):
        rows = {(row["service"], row["tenant"]): row for row in world.named(name) if row["objective"] == objective.name}
        assert rows.keys() == spans.keys()
        for key, row in rows.items():
            bad = sum(span[which] for span in spans[key]) / len(spans[key])
            assert row["reached"] == pytest.approx(1 - bad)
            assert row["budget_left"] == pytest.approx(1 - bad / (1 - target))
            assert row["burn_3d"] == pytest.approx(bad / (1 - target)), "all of it lies in the last three days"


def test_a_trace_is_shown_whole_and_each_span_once(world: World, oracle: Oracle) -> None:
    chosen = str(world.view.variables["trace_id"])
    wanted = {row.span_id.hex(): row for row in oracle.spans if row.trace_id.hex() == chosen}
    # Sent again, it is still shown once.
    world.engine.query(
        f"INSERT INTO telemetry.spans_raw SELECT * FROM telemetry.spans_raw WHERE trace_id = unhex('{chosen}')"
    )
    rows = world.named("traces_one")
    assert sorted(row["spanID"] for row in rows) == sorted(wanted)
    for row in rows:
        span = wanted[row["spanID"]]
        assert row["parentSpanID"] == span.parent_span_id.hex() and row["operationName"] == span.operation
        assert row["startTime"] == pytest.approx(span.start_ns / 1e6) and row["duration"] == span.duration_ns / 1e6
    (totals,) = world.named("traces_totals")
    assert int(totals["spans"]) == len(wanted)
    assert totals["usd"] == pytest.approx(float(sum(row.cost_usd or 0 for row in wanted.values() if row.is_inference)))
    for nonsense in ("", "zz", "' OR 1 = 1 --", "0" * 31):
        assert world.named("traces_one", trace_id=nonsense) == []


def test_the_ledger_tells_dead_doubled_and_missing_messages(empty: World) -> None:
    now = datetime.now(UTC)
    view = replace(empty.view, start=now - timedelta(minutes=5), end=now + timedelta(minutes=5))
    empty.engine.query(
        "INSERT INTO telemetry.ingest_ledger SELECT 'otel-spans', 0, arrayJoin([5, 6, 6, 9]) AS n, now64(3), now64(3), 2, n = 9"
    )
    try:
        (row,) = empty.rows(sql("health_ledger"), view)
    finally:
        empty.engine.query("TRUNCATE TABLE telemetry.ingest_ledger")
    assert [int(row[name]) for name in ("in_kafka", "in_clickhouse", "dead_letters", "came_again", "missing")] == [
        5,
        3,
        1,
        1,
        2,
    ]

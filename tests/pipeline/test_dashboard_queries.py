"""Every query of every panel and variable in the real engine: on the recorded workload and on an empty database."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.oracle import Oracle
from tests.pipeline.dashboard_world import (  # noqa: F401
    MODELS,
    PANELS,
    World,
    oracle_of_the_workload,
    world_full_of_it,
    world_without_rows,
)

ANSWER_SECONDS = 20
"""Generous: the machine may be busy; a query that reads what it should not takes far longer on real data."""
VARIABLES = {
    f"{slug}: {variable['name']}": variable["query"]
    for slug, model in MODELS.items()
    for variable in model["templating"]["list"]
    if variable["type"] == "query"
}
MAY_BE_EMPTY = {
    "health: Tables and disks / Merges and mutations": "nothing is merging",
    "overview: What goes wrong, what is going on / Running now": "the workload's runs have all ended",
}
TRACE_COLUMNS = {"traceID", "spanID", "parentSpanID", "serviceName", "operationName", "startTime", "duration"}
LOGS_COLUMNS = ["timestamp", "body", "level"]


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


def test_chosen_values_and_odd_ones_filter(world: World, oracle: Oracle) -> None:
    tenants = sorted({row.tenant_id for row in oracle.spans})[:2]
    (totals,) = world.named("overview_totals", tenant=tenants)
    assert int(totals["traces"]) == len({row.trace_id for row in oracle.spans if row.tenant_id in tenants})
    assert world.named("overview_totals", tenant=["O'Neil", "') OR ('1' = '1"]) == []

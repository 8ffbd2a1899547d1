"""What is looked at in tests of the dashboards' queries: an engine full of the recorded workload, and an empty one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.dashboards.catalogue import build_all
from infra.dashboards.clickhouse import sql
from infra.dashboards.render.macros import All, View, expand
from tests.oracle import Oracle
from tests.pipeline.dashboard_data import HOURS, SCENARIO, SPANS, fill, telling_trace
from tests.pipeline.schema_engine import SchemaEngine
from tests.workload import default_start, requests

MODELS = build_all("agent-telemetry-test")


def _panels() -> dict[str, tuple[str, dict[str, Any]]]:
    """`dashboard: row / title` to the dashboard and the panel, of those that ask the data source."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for slug, model in MODELS.items():
        row = ""
        for panel in model["panels"]:
            if panel["type"] == "row":
                row = panel["title"]
            elif panel.get("targets"):
                found[f"{slug}: {row} / {panel['title']}"] = (slug, panel)
    return found


PANELS = _panels()


@dataclass
class World:
    """An engine, and what is looked at."""

    engine: SchemaEngine
    view: View
    arrived: View
    """The time in which the workload came in."""

    def rows(self, text: str, view: View | None = None) -> list[dict[str, Any]]:
        return self.engine.query(expand(text, view or self.view))

    def drawn(self, panel: str, view: View | None = None, **chosen: Any) -> list[dict[str, Any]]:
        """What a built panel (a key of PANELS) draws, with some variables chosen."""
        view = view or self.view
        text = PANELS[panel][1]["targets"][0]["rawSql"]
        return self.rows(text, replace(view, variables={**view.variables, **chosen}))

    def named(self, name: str, **chosen: Any) -> list[dict[str, Any]]:
        """Rows of the query `name` with some variables chosen."""
        return self.rows(sql(name), replace(self.view, variables={**self.view.variables, **chosen}))

    def columns(self, text: str) -> dict[str, str]:
        statement = expand(text, self.view).strip()
        return {row["name"]: row["type"] for row in self.engine.query(f"DESCRIBE ({statement})")}


def everything(trace_id: str) -> dict[str, Any]:
    names = ("environment", "tenant", "service", "agent", "model", "workflow", "tool", "outcome")
    return {**{name: All("'*'") for name in names}, "search": "", "trace_id": trace_id, "prices": SCENARIO}


def six_hours(variables: dict[str, Any]) -> View:
    """The hours of the workload."""
    start = default_start()
    return View(start, start + timedelta(hours=HOURS), 300, variables)


@pytest.fixture(scope="module", name="oracle")
def oracle_of_the_workload() -> Oracle:
    return Oracle(requests(SPANS, hours=HOURS))


@pytest.fixture(scope="module", name="world")
def world_full_of_it(tmp_path_factory: pytest.TempPathFactory, oracle: Oracle) -> Iterator[World]:
    engine = SchemaEngine(tmp_path_factory.mktemp("filled"), "otlp_proto")
    began = datetime.now(UTC)
    fill(engine, next(row.tenant_id for row in oracle.spans))
    view = six_hours(everything(telling_trace(engine)))
    arrived = View(began - timedelta(minutes=1), datetime.now(UTC) + timedelta(minutes=1), 10, view.variables)
    yield World(engine, view, arrived)
    engine.stop()


@pytest.fixture(scope="module", name="empty")
def world_without_rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    engine = SchemaEngine(tmp_path_factory.mktemp("empty"), "otlp_proto")
    view = six_hours(everything(""))
    yield World(engine, view, view)
    engine.stop()

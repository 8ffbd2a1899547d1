"""A tenant's own dashboards, asked as that tenant's user on the recorded workload: every query answers, with what the stack's
dashboards show for that tenant, and with nothing of anybody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from infra.dashboards.catalogue import build_all
from infra.dashboards.render.macros import View, expand
from infra.dashboards.tenants import build_tenant
from infra.postdeploy.tenant_views import reconcile, statements
from tests.oracle import Oracle
from tests.pipeline.clickhouse_front import Front
from tests.pipeline.dashboard_data import HOURS, SPANS, fill, telling_trace
from tests.pipeline.dashboard_world import everything, six_hours
from tests.pipeline.schema_engine import SchemaEngine
from tests.pipeline.worker_world import client_of
from tests.workload import requests

pytestmark = pytest.mark.timeout(900)
PREFIX = "agent-telemetry-test"
MAY_BE_EMPTY = ("Running now",)
"""The workload's runs have all ended."""


class FrontEngine(SchemaEngine):
    """The engine behind its HTTP front, where users sign in."""

    front: Front
    readers: tuple[str, ...] = ()

    def start(self) -> None:
        self.front = Front(self.folder, readers=self.readers)
        self.front.start()

    def stop(self) -> None:
        self.front.stop()

    def query(self, sql: str, user: str = "default") -> list[dict[str, Any]]:
        answer = self.front.post(sql, user=user, default_format="JSONEachRow")
        assert answer.status == 200, f"{answer.text}\n{sql[:2000]}"
        return [json.loads(line) for line in answer.text.splitlines()]


@dataclass
class Tenants:
    """All tenants' rows, and one tenant's dashboards."""

    engine: FrontEngine
    mine: str
    others: list[str]
    view: View
    models: dict[str, dict[str, Any]]

    def asked(self, text: str, user: str, **chosen: Any) -> list[dict[str, Any]]:
        view = replace(self.view, variables={**self.view.variables, **chosen})
        return self.engine.query(expand(text, view), user)


def tenants_of(oracle: Oracle) -> list[str]:
    """The workload's tenants, the busiest first."""
    counts: dict[str, int] = {}
    for row in oracle.spans:
        counts[row.tenant_id] = counts.get(row.tenant_id, 0) + 1
    return sorted(counts, key=lambda tenant: -counts[tenant])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    tenants = tenants_of(Oracle(requests(SPANS, hours=HOURS)))
    mine, others = tenants[0], tenants[1:]
    assert others
    folder = tmp_path_factory.mktemp("tenants")
    FrontEngine.readers = (mine, others[0])
    engine = FrontEngine(folder, "otlp_proto")
    fill(engine, mine)
    with client_of(engine.front.port) as client:
        reconcile(client, statements(FrontEngine.readers))
    yield Tenants(engine, mine, others, six_hours(everything(telling_trace(engine))), build_tenant(PREFIX, mine))
    engine.stop()


def queries(models: dict[str, dict[str, Any]]) -> dict[tuple[str, str, str], str]:
    """By dashboard, kind and title or name."""
    found: dict[tuple[str, str, str], str] = {}
    for slug, model in models.items():
        rows = ""
        for panel in model["panels"]:
            rows = panel["title"] if panel["type"] == "row" else rows
            for target in panel.get("targets", []):
                found[slug, f"panel of {rows}", panel["title"]] = target["rawSql"]
        for variable in model["templating"]["list"]:
            if variable["type"] == "query":
                found[slug, "variable", variable["name"]] = variable["query"]
    return found


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By what tells rows apart first: their texts and times."""

    def key(row: dict[str, Any]) -> tuple[str, str]:
        figures = {name: f"{value:.6g}" for name, value in row.items() if isinstance(value, int | float)}
        return json.dumps({name: row[name] for name in row if name not in figures}, sort_keys=True), json.dumps(figures)

    return sorted(rows, key=key)


def same(one: Any, other: Any) -> bool:
    """Sums of floats depend on the order of what is summed, a forecast on the moment."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == pytest.approx(other, rel=1e-3)
    return one == other


def test_every_query_shows_what_the_stack_s_dashboards_show_for_the_tenant(world: Tenants) -> None:
    whole = queries(build_all(PREFIX))
    mine = queries(world.models)
    assert len(mine) > 80
    for where, text in mine.items():
        own = world.asked(text, f"reader-{world.mine}")
        everybodys = world.asked(whole[where], "dashboards", tenant=[world.mine])
        if where[1:] == ("variable", "tenant"):
            everybodys = [{"tenant_id": world.mine}]
        assert same(in_order(own), in_order(everybodys)), (where, own[:3], everybodys[:3])
        assert own or where[2] in MAY_BE_EMPTY, where


def test_nothing_of_any_other_tenant_is_in_any_answer(world: Tenants) -> None:
    foreign = next(
        row["trace"]
        for row in world.engine.query(
            f"SELECT lower(hex(trace_id)) AS trace FROM telemetry.trace_index WHERE tenant_id = '{world.others[0]}' LIMIT 1"
        )
    )
    for where, text in queries(world.models).items():
        # That nothing of others is in what All shows, the test above compares row by row.
        for chosen in ({"tenant": [world.others[0]]}, {"trace_id": foreign}):
            if f"${{{next(iter(chosen))}:" not in text:
                continue
            said = json.dumps(world.asked(text, f"reader-{world.mine}", **chosen))
            assert not [tenant for tenant in world.others if f'"{tenant}"' in said], (where, chosen)
            if "trace_id" in chosen:
                assert said == "[]", where


def test_another_tenant_s_reader_sees_its_own_in_the_same_words(world: Tenants) -> None:
    other = world.others[0]
    text = queries(build_tenant(PREFIX, other))["overview", "variable", "tenant"]
    assert world.asked(text, f"reader-{other}") == [{"tenant_id": other}]


def test_the_stack_s_own_queries_are_closed_to_a_tenant_s_reader(world: Tenants) -> None:
    for where, text in queries(build_all(PREFIX)).items():
        answer = world.engine.front.post(expand(text, world.view), user=f"reader-{world.mine}")
        # Some are about objectives or time alone; what asks a table is refused.
        assert answer.status != 200 or "telemetry." not in text, where

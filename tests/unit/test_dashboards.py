"""A linter for the built dashboards, the objectives' file, and the command that writes them."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from infra.cli import app
from infra.dashboards.alerts import build_rule_groups
from infra.dashboards.catalogue import DASHBOARDS, build_all
from infra.dashboards.clickhouse import QUERIES, VARIABLES, sql
from infra.dashboards.objectives import Objective, objectives
from infra.dashboards.page import UID_LENGTH, drill_by_row, uid
from infra.errors import UserError

PREFIX = "agent-telemetry-local"
MODELS = build_all(PREFIX)
SHOWN = [(slug, panel) for slug, model in MODELS.items() for panel in model["panels"] if panel["type"] != "row"]
DRAWN = [(slug, panel) for slug, panel in SHOWN if panel["type"] != "alertlist"]
"""Those that ask the data source. The list of alerts asks Grafana."""
IDS = [f"{slug}: {panel['title']}" for slug, panel in DRAWN]
PLACEHOLDER = re.compile(r"\$\{(\w+)((?:[.:][^}]*)?)\}")
OF_GRAFANA = {"__url_time_range", "__data"}
BY_ROW = "${__data.fields.dashboard:percentencode}"
"""Stands for the end of a dashboard's uid in the link of a row that names one."""
NO_UNIT = {"traces", "logs"}
"""Panels that show no figure of a field."""


def declared(model: dict[str, Any]) -> list[str]:
    return [variable["name"] for variable in model["templating"]["list"]]


def test_there_are_six_dashboards_of_at_least_fifty_panels_none_twice() -> None:
    assert list(MODELS) == ["overview", "cost", "slos", "agents", "traces", "health"]
    assert len(DRAWN) >= 50
    for model in MODELS.values():
        rows = [panel["title"] for panel in model["panels"] if panel["type"] == "row"]
        assert len(set(rows)) == len(rows)
        shown = [
            (panel["type"], panel["targets"][0]["rawSql"], json.dumps(panel["options"]))
            for panel in model["panels"]
            if panel.get("targets")
        ]
        assert len(set(shown)) == len(shown), "two panels of a dashboard show the same"


@pytest.mark.parametrize(("slug", "panel"), DRAWN, ids=IDS)
def test_a_panel_says_what_it_shows_in_which_unit_from_the_variable_data_source(
    slug: str, panel: dict[str, Any]
) -> None:
    assert panel["title"] and len(panel["description"]) > 20 and panel["description"].endswith(".")
    if panel["type"] not in NO_UNIT:
        assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == "${datasource}" and len(panel["targets"]) == 1
    assert panel["targets"][0]["datasource"]["uid"] == "${datasource}"


def test_the_first_screen_says_what_fires_by_grafana_s_own_list_and_who_stands_out() -> None:
    """A screen of 900 pixels shows 20 of the grid's rows of 37, beneath what stands above them."""
    lists = [(slug, panel) for slug, panel in SHOWN if panel["type"] == "alertlist"]
    assert [slug for slug, _ in lists] == ["overview"] and len(lists[0][1]["description"]) > 20
    options = lists[0][1]["options"]
    # Every rule of the stack has the label, and only its rules.
    groups = build_rule_groups(PREFIX)
    assert {rule["labels"]["stack"] for group in groups for rule in group["rules"]} == {"local"}
    assert options["alertInstanceLabelFilter"] == '{stack="local"}' and options["stateFilter"]["firing"]
    first = {panel["title"]: panel for slug, panel in SHOWN if slug == "overview" and panel["gridPos"]["y"] < 20}
    assert {"Firing alerts", "Status", "Tenants", "Workflows", "Models", "Tools"} <= first.keys()
    for title in ("Status", "Tenants", "Workflows", "Models", "Tools"):
        properties = [entry for item in first[title]["fieldConfig"]["overrides"] for entry in item["properties"]]
        assert any(entry["id"] == "links" for entry in properties), title


def test_names_in_a_legend_come_by_amount() -> None:
    legends = [panel["options"]["legend"] for _, panel in DRAWN if panel["type"] == "timeseries"]
    assert legends and all(
        (one["sortBy"], one["sortDesc"], one["calcs"], one["displayMode"]) == ("Mean", True, ["mean"], "table")
        for one in legends
    )


def test_a_cost_in_a_table_says_how_much_it_tells() -> None:
    for slug, panel in DRAWN:
        if panel["type"] != "table" or not re.search(
            r"AS (usd|booked_usd|usd_a_run|usd_of_its_runs)\b", panel["targets"][0]["rawSql"]
        ):
            continue
        columns = {item["matcher"]["options"] for item in panel["fieldConfig"]["overrides"]}
        assert "cost" in columns or panel["title"] == "Model calls", (slug, panel["title"])


@pytest.mark.parametrize(("slug", "panel"), DRAWN, ids=IDS)
def test_every_variable_is_declared_and_escaped(slug: str, panel: dict[str, Any]) -> None:
    names = declared(MODELS[slug])
    text = panel["targets"][0]["rawSql"]
    found = PLACEHOLDER.findall(text)
    assert all(form == ":singlequote" for _, form in found) and {name for name, _ in found} <= set(names)
    # No other spelling of a variable: $tenant, [[tenant]].
    assert not re.search(r"\[\[", text) and not re.search(r"\$(?!__)[A-Za-z_]", text)
    for item in panel["fieldConfig"]["overrides"]:
        for link in [link for entry in item["properties"] if entry["id"] == "links" for link in entry["value"]]:
            used = {name for name, _ in PLACEHOLDER.findall(link["url"])}
            assert used - OF_GRAFANA <= set(names), "a link hands on a variable that is not here"
            assert "${__url_time_range}" in link["url"]


@pytest.mark.parametrize("slug", MODELS)
def test_no_variable_is_an_orphan_and_each_asks_only_those_before_it(slug: str) -> None:
    model = MODELS[slug]
    queries = [panel["targets"][0]["rawSql"] for panel in model["panels"] if panel.get("targets")]
    names = declared(model)
    assert names[0] == "datasource"
    for position, variable in enumerate(model["templating"]["list"][1:], 1):
        name = variable["name"]
        assert any(f"${{{name}:" in query for query in queries), f"{name} changes nothing"
        if variable["type"] == "query":
            asked = {asked for asked, _ in PLACEHOLDER.findall(variable["query"])}
            assert asked <= set(names[:position])
            assert variable["datasource"]["uid"] == "${datasource}"
            assert variable["multi"] and variable["includeAll"] and variable["allValue"] == "'*'"
            assert variable["current"]["value"] == "$__all"


@pytest.mark.parametrize("slug", MODELS)
def test_no_two_panels_overlap_or_leave_the_grid(slug: str) -> None:
    boxes = [(panel["title"], panel["gridPos"]) for panel in MODELS[slug]["panels"]]
    for title, box in boxes:
        assert box["x"] >= 0 and box["x"] + box["w"] <= 24 and box["h"] > 0, title
    for (one, a), (other, b) in combinations(boxes, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, (one, other)
    ids = [panel["id"] for panel in MODELS[slug]["panels"]]
    assert len(set(ids)) == len(ids)


def test_no_data_source_is_named_and_no_query_lies_unused() -> None:
    uids: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("datasource"), dict):
                uids.add(value["datasource"]["uid"])
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(MODELS)
    assert uids == {"${datasource}"}
    texts = {panel["targets"][0]["rawSql"] for _, panel in DRAWN}
    texts |= {variable.get("query") for model in MODELS.values() for variable in model["templating"]["list"]}
    unused = [path.stem for path in QUERIES.glob("*.sql") if sql(path.stem) not in texts]
    assert not unused


def test_links_lead_to_dashboards_of_the_same_stack_and_keep_variables_and_time() -> None:
    uids = {model["uid"] for model in MODELS.values()}
    for model in MODELS.values():
        (link,) = model["links"]
        assert link["includeVars"] and link["keepTime"] and link["tags"] == [PREFIX]
        assert PREFIX in model["tags"]
    drills = re.findall(r'"/d/([^?"]+)\?', json.dumps(MODELS))
    assert drills and set(drills) <= uids | {f"{PREFIX}-{BY_ROW}"}
    # What a link sets is a variable where it leads; that of a row has to lead anywhere.
    by_uid = {model["uid"]: declared(model) for model in MODELS.values()}
    by_uid[f"{PREFIX}-{BY_ROW}"] = [name for name in VARIABLES if all(name in found for found in by_uid.values())]
    for target, rest in re.findall(r'"/d/([^?"]+)\?([^"]+)"', json.dumps(MODELS)):
        for name in re.findall(r"var-(\w+)=", rest):
            assert name in by_uid[target], (target, name)
        for name in {name for name, _ in PLACEHOLDER.findall(rest)} & {*VARIABLES, "outcome", "search"}:
            assert name in by_uid[target], (target, name)


@pytest.mark.parametrize("stack", ["local", "dev", "a-preview-of-pull-request-12345", "x" * 100])
def test_uids_are_stable_short_and_one_dashboard_each(stack: str) -> None:
    prefix = f"agent-telemetry-{stack}"
    found = [uid(prefix, slug) for slug in DASHBOARDS]
    assert found == [uid(prefix, slug) for slug in DASHBOARDS] and len(set(found)) == len(found)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", one) and len(one) <= UID_LENGTH for one in found)
    assert not set(found) & {uid(f"{prefix}-2", slug) for slug in DASHBOARDS}
    # A row's link ends with what stands in the row.
    _, link = drill_by_row(prefix, "dashboard", (), "")
    assert [link.partition("?")[0].replace(BY_ROW, slug) for slug in DASHBOARDS] == [f"/d/{one}" for one in found]


def test_the_command_writes_one_file_a_dashboard(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["dashboards", "build", "--out", str(tmp_path / "new" / "folder")])
    assert result.exit_code == 0, result.output
    written = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "new" / "folder").iterdir()}
    assert written == MODELS
    (tmp_path / "file").write_text("")
    failed = CliRunner().invoke(app, ["dashboards", "build", "--out", str(tmp_path / "file")])
    assert isinstance(failed.exception, UserError) and "name a folder" in str(failed.exception)


ONE = "{name: a, availability: 0.99, latency_ms: 1000, latency_share: 0.9}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("slos: []", "at least one objective"),
        ("slos: [", "not valid YAML"),
        (f"slos: [{ONE.replace('0.99', '1')}]", "objective 1, availability: .*less than 1"),
        (f"slos: [{ONE.replace('1000', '1234')}]", "objective 1, latency_ms: .*histogram's bounds: 1, 2, 5"),
        (f"slos: [{ONE}, {ONE}]", "the same name"),
        (f"slos: [{ONE.replace('}', ', budget: 3}')}]", "objective 1, budget: Extra inputs"),
    ],
)
def test_a_wrong_objective_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "slos.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=says):
        objectives(path)


def test_an_objective_is_for_every_service_unless_it_names_one(tmp_path: Path) -> None:
    path = tmp_path / "slos.yaml"
    path.write_text(f"slos: [{ONE}]")
    (found,) = objectives(path)
    assert (found.service, found.tenant, found.window_days, found.least_requests) == ("*", "*", 28, 20)


def test_the_objective_that_names_more_counts() -> None:
    def of(service: str, tenant: str) -> Objective:
        return Objective(name="x", service=service, tenant=tenant, availability=0.9, latency_ms=1000, latency_share=0.9)

    every, chat, acme, both = of("*", "*"), of("chat", "*"), of("*", "acme"), of("chat", "acme")
    order = [both, chat, acme, every]
    for number, nearer in enumerate(order):
        assert all(nearer.is_nearer(other) and not other.is_nearer(nearer) for other in order[number + 1 :])
    assert not chat.is_nearer(of("search", "*")) and not every.is_nearer(every)

"""A preview's words for changed dashboards and alert rules."""

from __future__ import annotations

import copy
import io
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pulumi import automation
from rich.console import Console

from infra.cli.pending import PendingMigrations
from infra.dashboards.alerts import build_rule_groups
from infra.dashboards.catalogue import build_all
from infra.dashboards.changes import dashboard_changes, rule_changes, sql_diff
from infra.settings import parse_settings

MODELS = build_all("agent-telemetry-dev")


@pytest.fixture
def model() -> dict[str, Any]:
    return copy.deepcopy(MODELS["overview"])


def panel(model: dict[str, Any], title: str) -> dict[str, Any]:
    return next(panel for panel in model["panels"] if panel["title"] == title)


def told(before: Any, after: Any) -> list[str]:
    return [f"{change.sign} {change.what}: {'; '.join(change.details)}" for change in dashboard_changes(before, after)]


@pytest.mark.parametrize("slug", MODELS)
def test_what_is_the_same_is_no_change(slug: str) -> None:
    assert dashboard_changes(MODELS[slug], copy.deepcopy(MODELS[slug])) == []


def test_a_panel_that_comes_moves_others_and_is_named_once(model: dict[str, Any]) -> None:
    before = copy.deepcopy(model)
    new = {**copy.deepcopy(panel(model, "Last arrival")), "title": "New one", "targets": [{"rawSql": "SELECT 1"}]}
    model["panels"].insert(1, new)
    for number, item in enumerate(model["panels"], 1):
        item["id"] = number
        item["gridPos"]["y"] += 4
    moved = len(before["panels"])
    assert told(before, model) == ['+ panel "New one": stat', f"~ position of {moved} panels: "]
    assert told(model, before) == ['- panel "New one": ', f"~ position of {moved} panels: "]


def test_each_side_of_a_panel_has_its_own_words(model: dict[str, Any]) -> None:
    before = copy.deepcopy(model)
    changed = panel(model, "Last arrival")
    changed["fieldConfig"]["defaults"]["unit"] = "ms"
    changed["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"] = 90
    changed["targets"][0]["rawSql"] = changed["targets"][0]["rawSql"].replace("1 DAY", "2 DAY")
    changed["description"] = "Another text."
    (line,) = told(before, model)
    assert line == (
        '~ panel "Last arrival": query; unit: s → ms; thresholds: green, orange from 60, red from 300 → '
        "green, orange from 90, red from 300; description"
    )
    (change,) = dashboard_changes(before, model)
    assert [was != now for was, now in change.sql] == [True]


def test_a_panel_with_another_name_is_renamed_and_not_deleted(model: dict[str, Any]) -> None:
    before = copy.deepcopy(model)
    panel(model, "Last arrival")["title"] = "Newest row"
    assert told(before, model) == ['~ panel "Newest row": was called "Last arrival"']


def test_what_a_hand_did_in_grafana_is_told_too(model: dict[str, Any]) -> None:
    by_hand = copy.deepcopy(model)
    panel(by_hand, "Last arrival")["targets"][0]["hide"] = True
    panel(by_hand, "Last arrival")["options"]["textMode"] = "name"
    by_hand["time"]["from"] = "now-24h"
    by_hand["weekStart"] = "monday"
    assert told(by_hand, model) == [
        f"~ time: now-24h → {model['time']['from']}",
        "~ weekStart: ",
        '~ panel "Last arrival": how it asks; options',
    ]


def test_variables_come_go_and_change(model: dict[str, Any]) -> None:
    before = copy.deepcopy(model)
    variables = model["templating"]["list"]
    gone = variables.pop()
    variables[1]["query"] += "-- more"
    assert told(before, model) == ["~ variable environment: query", f"- variable {gone['name']}: "]


def test_titles_that_repeat_are_told_apart(model: dict[str, Any]) -> None:
    twin = copy.deepcopy(panel(model, "Last arrival"))
    model["panels"].append(twin)
    before = copy.deepcopy(model)
    twin["fieldConfig"]["defaults"]["unit"] = "ms"
    assert told(before, model) == ['~ panel "Last arrival" (2): unit: s → ms']


def test_alert_rules_have_their_threshold_and_waiting_time_in_words() -> None:
    (group, *_) = build_rule_groups("agent-telemetry-dev")
    before, after = copy.deepcopy(group), copy.deepcopy(group)
    rule = after["rules"][0]
    rule["for"] = "17m"
    rule["data"][2]["model"]["conditions"][0]["evaluator"]["params"] = [0.5]
    rule["data"][0]["model"]["rawSql"] += "-- more"
    after["interval"] = 300
    gone = after["rules"].pop()
    found = rule_changes(before, after)
    was = before["rules"][0]
    threshold = was["data"][2]["model"]["conditions"][0]["evaluator"]["params"][0]
    assert [change.what for change in found] == [
        f"evaluated every {before['interval']} → 300 s",
        f'rule "{rule["title"]}"',
        f'rule "{gone["title"]}"',
    ]
    assert found[1].details == ("query", f"threshold: above {threshold:g} → above 0.5", f"for: {was['for']} → 17m")
    assert found[1].sql and found[2].sign == "-"
    assert rule_changes(group, copy.deepcopy(group)) == []


def test_a_comment_of_sql_is_a_line_like_any_other() -> None:
    assert sql_diff("-- was\nSELECT 1", "-- now\nSELECT 1") == ["@@ -1,2 +1,2 @@", "--- was", "+-- now", " SELECT 1"]


def preview(op: automation.OpType, kind: str, before: Any, after: Any, diff: bool = False) -> str:
    text = {"GrafanaDashboard": "model", "GrafanaRuleGroup": "group"}[kind]
    old = SimpleNamespace(outputs={text: json.dumps(before)}, inputs={text: "?"}) if before else None
    new = SimpleNamespace(inputs={text: json.dumps(after)}) if after else None
    metadata = SimpleNamespace(op=op, type=f"pulumi-python:dynamic/postdeploy:{kind}", new=new, old=old)
    event = cast(automation.EngineEvent, SimpleNamespace(resource_pre_event=SimpleNamespace(metadata=metadata)))
    seen, output = PendingMigrations(), io.StringIO()
    seen.take(event)
    seen.show(Console(file=output, width=60), parse_settings({}, "test"), diff)
    return output.getvalue()


def test_a_preview_names_what_is_made_and_removed(model: dict[str, Any]) -> None:
    count = sum(1 for panel in model["panels"] if panel["type"] != "row")
    made = preview(automation.OpType.CREATE, "GrafanaDashboard", None, model)
    assert made == f"\n+ dashboard Agents: overview ({count} panels)\n"
    gone = preview(automation.OpType.DELETE, "GrafanaDashboard", model, None)
    assert gone == f"\n- dashboard Agents: overview ({count} panels)\n"
    assert preview(automation.OpType.SAME, "GrafanaDashboard", model, model) == ""


def test_a_preview_shows_changed_lines_of_sql_only_when_asked(model: dict[str, Any]) -> None:
    before = copy.deepcopy(model)
    changed = panel(model, "Last arrival")["targets"][0]
    changed["rawSql"] = changed["rawSql"].replace("1 DAY", "2 DAY")
    plain = preview(automation.OpType.UPDATE, "GrafanaDashboard", before, model)
    assert plain == '\n~ dashboard Agents: overview\n  ~ panel "Last arrival": query\n'
    shown = preview(automation.OpType.UPDATE, "GrafanaDashboard", before, model, diff=True)
    assert shown.startswith(plain)
    assert "      -WHERE ingest_ts > now() - INTERVAL 1 DAY\n      +WHERE ingest_ts > now() - INTERVAL 2 DAY\n" in shown
    assert "rawSql" not in shown

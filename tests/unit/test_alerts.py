"""The built alert rules under a linter: addresses, links, runbook, labels; and thresholds that are refused by name."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import pipeline
from infra.config import file_settings
from infra.dashboards.alerts import GROUP_BY, QUERIES, RUNBOOKS, alert_sql, build_rule_groups, rule_uid
from infra.dashboards.alerts_config import PATH, Alerts, alerts, shipped
from infra.dashboards.alerts_evaluation import Evaluator, QueryError, Watch, evaluate, number_set, span
from infra.dashboards.alerts_rules import rules
from infra.dashboards.alerts_text import duration, fill
from infra.dashboards.catalogue import build_all
from infra.dashboards.page import UID_LENGTH, uid
from infra.errors import UserError
from infra.paths import ROOT

PREFIX = "agent-telemetry-local"
GROUPS = build_rule_groups(PREFIX)
BUILT = {rule["uid"]: rule for group in GROUPS for rule in group["rules"]}
DOCS = (ROOT / RUNBOOKS).read_text()
SECTIONS = {title: text for title, text in re.findall(r"^## (\S+)$\n(.*?)(?=^## |\Z)", DOCS, re.M | re.S)}
DASHBOARDS = {model["uid"]: model for model in build_all(PREFIX).values()}
LABEL = re.compile(r"\$labels\.(\w+)")


def columns(rule: dict[str, Any]) -> set[str]:
    """The labels that its query gives, as written: what stands before FROM at the outermost level."""
    text = rule["data"][0]["model"]["rawSql"].split("\n", 1)[1]
    head = re.split(r"\nFROM\b", text)[0]
    while re.search(r"\([^()]*\)", head):
        head = re.sub(r"\([^()]*\)", "", head)
    return {part.split()[-1].split(".")[-1] for part in re.sub(r"(?s)^.*?SELECT", "", head).split(",")} - {"value"}


@pytest.mark.parametrize("stack", ["local", "a-preview-of-pull-request-12345", "x" * 100])
def test_uids_are_stable_short_and_one_rule_each(stack: str) -> None:
    prefix = f"agent-telemetry-{stack}"
    found = [rule["uid"] for group in build_rule_groups(prefix) for rule in group["rules"]]
    assert found == [rule_uid(prefix, alert.name) for group in GROUPS for alert in _of(group)]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", one) and len(one) <= UID_LENGTH for one in found)


def _of(group: dict[str, Any]) -> list[Any]:
    return [alert for alert in rules(shipped()) if alert.group == group["title"]]


def test_titles_are_one_each_in_the_folder_and_groups_hold_every_rule() -> None:
    titles = [rule["title"] for rule in BUILT.values()]
    assert len(set(titles)) == len(titles) == len(rules(shipped()))
    assert len({group["title"] for group in GROUPS}) == len(GROUPS)
    for group in GROUPS:
        assert group["folderUid"] == PREFIX and group["interval"] % 10 == 0
        for rule in group["rules"]:
            assert (rule["folderUID"], rule["ruleGroup"]) == (PREFIX, group["title"])
            assert span(rule["for"]).total_seconds() % group["interval"] == 0, "it would wait longer than it says"


@pytest.mark.parametrize("name", BUILT)
def test_a_rule_says_what_where_and_what_to_do(name: str) -> None:
    rule = BUILT[name]
    said = rule["annotations"]
    assert set(rule["labels"]) == {"severity", "stack"} and rule["labels"]["stack"] == "local"
    assert said["description"].endswith(".") and "$values.B.Value" in said["summary"]
    given = columns(rule)
    used = {label for text in said.values() for label in LABEL.findall(text)}
    assert used <= given, "it names a label that the query does not give"
    assert {"tenant", "service", "environment", "disk", "topic"} & given <= used, "it does not say where"
    path, _, anchor = said["runbook"].partition("#")
    assert path == RUNBOOKS and anchor in SECTIONS
    assert "SELECT" in SECTIONS[anchor] and len(SECTIONS[anchor]) > 300, "what it means, a first query, what to do"


@pytest.mark.parametrize("name", BUILT)
def test_its_link_leads_to_a_dashboard_with_variables_that_it_has(name: str) -> None:
    said = BUILT[name]["annotations"]
    labels = dict.fromkeys(LABEL.findall(said["dashboard"]), "Müller & Söhne")
    url = fill(said["dashboard"], labels, 1.0, "https://grafana.example.com/")
    assert url.startswith("https://grafana.example.com/d/")
    where, _, query = url.removeprefix("https://grafana.example.com/d/").partition("?")
    model = DASHBOARDS[where]
    names = {variable["name"] for variable in model["templating"]["list"]}
    chosen = dict(part.split("=", 1) for part in query.split("&"))
    assert {key.removeprefix("var-") for key in chosen if key.startswith("var-")} <= names
    assert chosen["var-datasource"] == PREFIX and chosen["to"] == "now"
    assert all(chosen[f"var-{label}"] == "M%C3%BCller+%26+S%C3%B6hne" for label in labels)
    (panel,) = [panel for panel in model["panels"] if str(panel["id"]) == said["__panelId__"]]
    assert said["__dashboardUid__"] == where and panel["type"] != "row" and chosen["viewPanel"] == said["__panelId__"]


def test_every_section_of_a_rule_is_of_one_and_every_query_too() -> None:
    anchors = {alert.runbook for alert in rules(shipped())}
    assert {title for title, text in SECTIONS.items() if "SELECT" in text} == anchors
    assert {path.stem for path in QUERIES.glob("*.sql")} == {alert.query for alert in rules(shipped())}
    assert {alert.runbook for alert in rules(shipped())} == set(yaml.safe_load(PATH.read_text())["rules"])


@pytest.mark.parametrize("alert", rules(shipped()), ids=lambda alert: alert.name)
def test_a_query_knows_no_variable_and_no_other_time_than_that_of_its_evaluation(alert: Any) -> None:
    text = alert_sql(alert)
    assert text.startswith("-- ") and "${" not in text
    assert "LIMIT 100" in text or alert.group == "pipeline", "tenants and workflows have no end, disks and topics do"
    assert set(re.findall(r"\$__\w+", text)) <= {"$__toTime"}
    if alert.name != "disk-days":  # of disks there is no past
        assert "now(" not in text


def test_severities_go_to_their_contact_points_and_others_to_grafana_s_policies() -> None:
    found = build_rule_groups(PREFIX, {"critical": "wake-me"}, "https://docs.example.com/alerts.html")
    for rule in [rule for group in found for rule in group["rules"]]:
        if rule["labels"]["severity"] == "critical":
            assert rule["notification_settings"] == {"receiver": "wake-me", "group_by": list(GROUP_BY)}
        else:
            assert "notification_settings" not in rule
        anchor = rule["annotations"]["runbook"].partition("#")[2]
        assert rule["annotations"]["runbook_url"] == f"https://docs.example.com/alerts.html#{anchor}"


def test_only_the_canary_turns_silence_into_an_alert() -> None:
    loud = {rule["uid"] for rule in BUILT.values() if (rule["noDataState"], rule["execErrState"]) != ("OK", "OK")}
    assert loud == {rule_uid(PREFIX, "canary")}


def changed(tmp_path: Path, **values: Any) -> Path:
    content = yaml.safe_load(PATH.read_text())
    for where, value in values.items():
        *path, last = where.split("__")
        into = content["rules"]
        for part in path:
            into = into[part.replace("_", "-")]
        into[last] = value
    found = tmp_path / "alerts.yaml"
    found.write_text(yaml.safe_dump(content))
    return found


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"error_rate__above": 2}, r"alerts.yaml: error-rate.above: .*less than 1 \(found 2\)"),
        ({"error_rate__for_minutes": -1}, "error-rate.for_minutes: .*greater than or equal to 0"),
        ({"latency__severity": "urgent"}, "latency.severity: .*'critical' or 'warning'"),
        ({"cost_spike__above": 1}, "cost-spike.above: .*greater than 1"),
        ({"no_data__above": 1380}, "no-data: above: 1380 minutes, and a tenant is forgotten after 24 hours"),
        ({"disk_days__above": 3}, "disk-days.above: unknown"),
        ({"dead_letters__above": -1}, "dead-letters.above"),
        ({"canary__above": 5}, "canary.above: .*greater than or equal to 60"),
        ({"slo_burn__fast__short_minutes": 60}, "slo-burn.fast: short_minutes: has to be below long_minutes"),
        ({"slo_burn__fast__above": 20}, "slo-burn.fast.above: 20 is never reached by the objective 'every service'"),
        ({"slo_burn__slow__long_minutes": 99999}, "slo-burn.slow.long_minutes"),
        ({"unheard": {}}, "alerts.yaml: unheard: unknown"),
    ],
)
def test_a_threshold_out_of_range_is_refused_by_name(tmp_path: Path, values: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        alerts(changed(tmp_path, **values))


@pytest.mark.parametrize(("text", "says"), [("rules: [", "not valid YAML"), ("rule: {}", "has to hold `rules`")])
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=says):
        alerts(path)


def test_it_is_refused_before_anything_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong() -> None:
        raise UserError("alerts.yaml: error-rate.above")

    monkeypatch.setattr(pipeline, "alert_thresholds", wrong)
    monkeypatch.setattr(pipeline, "platform_of", lambda *_: pytest.fail("something was declared"))
    with pytest.raises(UserError, match=r"error-rate\.above"):
        pipeline.deploy(file_settings("local"), "local")


def test_a_window_longer_than_the_objective_s_is_refused(tmp_path: Path) -> None:
    slos = tmp_path / "slos.yaml"
    slos.write_text("slos: [{name: a day, availability: 0.99, latency_ms: 1000, latency_share: 0.95, window_days: 1}]")
    with pytest.raises(UserError, match=r"slo-burn.slow.long_minutes: 4320 is longer than the window .*\(1 days\)"):
        alerts(PATH, slos)


def test_a_rule_that_is_left_out_is_not_built() -> None:
    fewer = shipped().model_copy(update={"error_rate": None, "slo_burn": {}})
    found = [rule["uid"] for group in build_rule_groups(PREFIX, config=fewer) for rule in group["rules"]]
    gone = set(BUILT) - set(found)
    assert gone == {rule_uid(PREFIX, name) for name in ("error-rate", "burn-fast", "burn-medium", "burn-slow")}
    assert build_rule_groups(PREFIX, config=Alerts()) == []


class TestEvaluator:
    """What is not told by the crafted data of tests/pipeline/test_alerts_fire.py."""

    def test_a_table_that_grafana_would_not_take_is_not_taken(self) -> None:
        assert number_set([{"tenant": "a", "value": 1}]) == {(("tenant", "a"),): 1.0}
        for rows in (
            [{"tenant": "a", "value": None}],
            [{"tenant": "a", "value": 1, "more": 2}],
            [{"tenant": True, "value": 1}],
            [{"tenant": "a"}],
            [{"tenant": "a", "value": 1}, {"tenant": "a", "value": 2}],
        ):
            with pytest.raises(ValueError, match=r"input data must be|same labels"):
                number_set(rows)

    def test_an_unknown_expression_or_state_is_not_passed_over(self) -> None:
        rule = json.loads(json.dumps(BUILT[rule_uid(PREFIX, "error-rate")]))
        at = _noon()
        rule["data"][1]["model"]["type"] = "resample"
        with pytest.raises(ValueError, match="an expression of type resample"):
            Evaluator(rule, span("1m")).step(at, lambda _: [{"tenant": "a", "value": 1.0}])
        rule = {**BUILT[rule_uid(PREFIX, "error-rate")], "noDataState": "NoData"}
        with pytest.raises(ValueError, match="the state NoData"):
            Evaluator(rule, span("1m")).step(at, lambda _: [])

    def test_a_query_without_an_answer_is_told_as_unknown_and_only_breaches_are_asked_again(self) -> None:
        asked: list[str] = []

        def ask(statement: str) -> list[dict[str, Any]]:
            asked.append(statement)
            if "dead_letters" in statement:
                raise QueryError("down")
            labels = dict.fromkeys(("tenant", "environment", "service"), "x")
            high = {**labels, "value": 0.5} if "sum(errors)" in statement and "entry" not in statement else None
            return [high] if high else [{"value": 0.0}] if "canary" in statement.split("\n")[0] else []

        found = evaluate(GROUPS, _noon(), ask)
        assert [(one.title, one.state) for one in found] == [
            ("Error rate", "firing"),
            ("Messages that cannot be read", "unknown"),
        ]
        assert "50% of its spans fail" in found[0].summary and found[0].runbook == "docs/alerts.md#error-rate"
        assert (
            found[0].dashboard.startswith("/d/agent-telemetry-local-overview?") and "var-tenant=x" in found[0].dashboard
        )
        assert len(asked) == len(BUILT) + 5, "once each, and error-rate at each minute that it waits"

    def test_who_looks_again_soon_asks_each_rule_once_and_after_a_pause_as_of_then(self) -> None:
        asked: list[datetime] = []
        began = _noon()

        def ask(statement: str) -> list[dict[str, Any]]:
            until = datetime.fromtimestamp(max(map(int, re.findall(r"toDateTime\((\d+)\)", statement))), UTC)
            asked.append(until)
            return [{"tenant": "a", "environment": "b", "service": "c", "value": 0.5}] if until >= began else []

        groups = [{"interval": 60, "rules": [BUILT[rule_uid(PREFIX, "error-rate")]]}]
        watch, states = Watch(groups), list[str]()
        for minute in range(7):
            (one,) = watch.look(began + timedelta(minutes=minute), ask)
            assert one.since == began
            states.append(one.state)
        assert states == ["pending"] * 5 + ["firing"] * 2
        assert len(asked) == 6 + 6, "the first time as often as it waits, then once"
        asked.clear()
        (one,) = watch.look(began + timedelta(hours=1), ask)
        assert (one.state, one.since) == ("firing", began + timedelta(minutes=55)) and len(asked) == 6


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "0.5s"), (61, "1m 1s"), (7200, "2h 0m 0s"), (90061, "1d 1h 1m 1s"), (-65, "-1m 5s")]
)
def test_durations_are_said_as_prometheus_does(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_template_that_we_do_not_know_is_no_text() -> None:
    with pytest.raises(KeyError):
        fill("{{ $labels.nobody }}", {}, 1.0, "/")
    with pytest.raises(KeyError):
        fill("{{ toUpper $labels.tenant }}", {"tenant": "a"}, 1.0, "/")
    assert uid(PREFIX, "alert-x") == rule_uid(PREFIX, "x")


def _noon() -> Any:
    return datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

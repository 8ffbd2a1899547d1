"""Dashboards and alerts as Pulumi resources, with the real engine, against a Grafana stand-in: preview, up, second up, drift
made by hand, a refusal half-way, other people's things, down."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pulumi
import pytest
from pulumi import automation
from pulumi.automation._stack import StackInitMode
from rich.console import Console

from infra import pipeline
from infra.automation import KnownCommand, engine_environment
from infra.cli.engine import Counted
from infra.cli.pending import PendingMigrations
from infra.config import PROJECT, file_settings
from infra.dashboards import catalogue
from infra.dashboards.alerts import build_rule_groups
from infra.endpoints import ClickHouseEndpoint, GrafanaEndpoint, Parts
from infra.local.toolchain import ensure
from infra.paths import ROOT
from infra.settings import parse_settings
from infra.tenant_views import reader
from tests.forks import STEPS, command
from tests.grafana_alerting_stub import AlertingGrafana
from tests.grafana_steps import CLICKHOUSE
from tests.grafana_stub import serving
from tests.providers.cloud import QuickStack, QuickWorkspace

pytestmark = pytest.mark.timeout(600)
UID = f"{PROJECT}-dev"
CHOSEN = {"settings": parse_settings({}, "dev")}
"""What the program reads: a test changes it."""
GROUPS = build_rule_groups(UID)
PYTHON = """#!/bin/sh
# The interpreter that the engine starts for dynamic resources: -u -m pulumi.dynamic ADDRESS.
shift 3
exec {steps} "$@"
"""


@dataclass
class Engine:
    """One stack of nothing but Grafana's part of the program."""

    stack: automation.Stack
    lines: list[str] = field(default_factory=list)

    def run(
        self, command: str, on_event: Callable[[automation.EngineEvent], Any] | None = None, **options: Any
    ) -> dict[str, int]:
        """How many resources were created, updated …; raises CommandError."""
        changes = Counted()

        def event(seen: automation.EngineEvent) -> None:
            changes.take(seen)
            if on_event is not None:
                on_event(seen)

        self.lines.clear()
        getattr(self.stack, command)(on_output=self.lines.append, color="never", on_event=event, **options)
        return changes.changes

    def preview(self, diff: bool = False, **options: Any) -> str:
        """What `telemetry preview` prints below the engine's lines."""
        seen, output = PendingMigrations(), io.StringIO()
        self.run("preview", on_event=seen.take, **options)
        seen.show(Console(file=output, width=200), parse_settings({}, "test"), diff)
        return output.getvalue()


@pytest.fixture(scope="module")
def grafana() -> Iterator[AlertingGrafana]:
    grafana = AlertingGrafana()
    with serving(grafana):
        yield grafana


@pytest.fixture(scope="module")
def engine(grafana: AlertingGrafana, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("grafana")
    python = folder / "python-for-steps"
    steps = command((*STEPS, "pytest", "tests.grafana_steps"), "tests.engine.grafana_dynamic")
    python.write_text(PYTHON.format(steps=steps))
    python.chmod(0o755)
    (folder / "state").mkdir()

    def program() -> None:
        address = {key: pulumi.Output.from_input(value) for key, value in CLICKHOUSE.items()}
        dashboards = ClickHouseEndpoint(
            **cast(Any, address), schema_folder=pulumi.Output.from_input(""), access={"class": "known", "args": {}}
        )
        readers = {
            tenant: replace(dashboards, user=pulumi.Output.from_input(reader(tenant)))
            for tenant in CHOSEN["settings"].tenantReaders
        }
        access = {"class": "token", "args": {"token": "glsa_test"}}
        parts = Parts(
            kafka=cast(Any, None),
            clickhouse=cast(Any, None),
            otlp=cast(Any, None),
            fingerprints={"clickhouse": pulumi.Output.from_input("1")},
            topics=[],
            grafana=GrafanaEndpoint(url=pulumi.Output.from_input(grafana.url), access=access),
            dashboards=dashboards,
            readers=readers,
        )
        pipeline.show(CHOSEN["settings"], "dev", parts, [])

    tools = ensure(["pulumi"])
    environment = {
        **engine_environment(tools.pulumi_root),
        "PULUMI_BACKEND_URL": (folder / "state").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_PYTHON_CMD": str(python),
        "AGENT_TELEMETRY_PYTHON": str(python),
        "PYTHONPATH": str(ROOT),
        "GRAFANA_TEST_FOLDER": str(folder),
    }
    workspace = QuickWorkspace(
        work_dir=str(folder),
        program=program,
        env_vars=environment,
        project_settings=automation.ProjectSettings(name=PROJECT, runtime="python"),
        pulumi_command=KnownCommand(tools),
    )
    return Engine(QuickStack("dev", workspace, StackInitMode.CREATE))


def contents(grafana: AlertingGrafana) -> dict[str, Any]:
    """Everything in Grafana that is not a number of its own."""
    boards = {
        uid: (
            {key: value for key, value in found["dashboard"].items() if key not in ("id", "version")},
            found["meta"]["folderUid"],
        )
        for uid, found in grafana.dashboards.items()
    }
    return copy.deepcopy(
        {"sources": grafana.data_sources, "folders": grafana.folders, "dashboards": boards, "rules": grafana.rules}
    )


def test_a_refusal_half_way_leaves_no_folder_and_the_next_up_completes(
    engine: Engine, grafana: AlertingGrafana
) -> None:
    shown = engine.preview()
    for slug, build in catalogue.DASHBOARDS.items():
        assert f"+ dashboard {build(UID)['title']} (" in shown, slug
    for group in GROUPS:
        assert f"+ alert rules {group['title']} (" in shown
    assert grafana.calls == [], "a preview asks nobody"
    grafana.fail[("POST", "/api/datasources")] = (403, "Permission denied")
    with pytest.raises(automation.CommandError, match="the token needs the role Admin"):
        engine.run("up")
    assert (grafana.folders, grafana.dashboards, grafana.rules) == ({}, {}, {})
    grafana.fail[("POST", "/api/dashboards/db")] = grafana.fail.pop(("POST", "/api/datasources"))
    with pytest.raises(automation.CommandError, match="the token needs the role Admin"):
        engine.run("up")
    assert set(grafana.folders) == {UID}
    grafana.fail.clear()
    engine.run("up")
    assert set(grafana.dashboards) == {f"{UID}-{slug}" for slug in catalogue.DASHBOARDS}
    assert set(grafana.rules) == {rule["uid"] for group in GROUPS for rule in group["rules"]}


def test_a_second_up_changes_nothing_and_writes_nothing(engine: Engine, grafana: AlertingGrafana) -> None:
    grafana.calls.clear()
    assert set(engine.run("up")) == {"same"}
    assert grafana.calls == [] and engine.preview() == ""


def test_what_hands_changed_is_found_by_a_refresh_told_in_words_and_put_right(
    engine: Engine, grafana: AlertingGrafana
) -> None:
    before = contents(grafana)
    edited = grafana.dashboards[f"{UID}-overview"]["dashboard"]
    panels = {panel["title"]: panel for panel in edited["panels"]}
    panels["Last arrival"]["fieldConfig"]["defaults"]["unit"] = "ms"
    titles = [panel["title"] for panel in edited["panels"] if panel["type"] == "timeseries"]
    gone = next(title for title in reversed(titles) if titles.count(title) == 1)
    edited["panels"].remove(panels[gone])
    del grafana.dashboards[f"{UID}-cost"]
    grafana.folders[UID]["title"] = "by hand"
    grafana.data_sources[UID]["jsonData"]["tlsSkipVerify"] = True
    rule = GROUPS[0]["rules"][0]
    grafana.rules[rule["uid"]]["for"] = "17m"
    shown = engine.preview(refresh=True, run_program=True)
    assert '~ panel "Last arrival": unit: ms → s\n' in shown and f'+ panel "{gone}": timeseries\n' in shown
    assert "\n+ dashboard Agents: cost (" in shown and contents(grafana) != before
    assert f'\n~ alert rules {GROUPS[0]["title"]}\n  ~ rule "{rule["title"]}": for: 17m' in shown
    changed = engine.run("up", refresh=True, run_program=True)
    assert (changed.get("create"), changed.get("update")) == (1, 4), changed
    assert contents(grafana) == before
    assert set(engine.run("up", refresh=True, run_program=True)) == {"same"}


def test_a_changed_panel_is_shown_with_its_sql_and_saved(
    engine: Engine, grafana: AlertingGrafana, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(build: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
        def built(prefix: str) -> dict[str, Any]:
            model = build(prefix)
            panel = next(panel for panel in model["panels"] if panel["title"] == "Last arrival")
            panel["targets"][0]["rawSql"] += "-- one line more\n"
            return model

        return built

    boards = {**catalogue.DASHBOARDS, "overview": other(catalogue.DASHBOARDS["overview"])}
    monkeypatch.setattr(catalogue, "DASHBOARDS", boards)
    shown = engine.preview(diff=True)
    assert '~ panel "Last arrival": query\n' in shown and "      +-- one line more\n" in shown
    assert engine.run("up")["update"] == 1
    assert "one line more" in str(grafana.dashboards[f"{UID}-overview"])
    # A dashboard that is no longer in the program goes. (To the others alert rules lead.)
    monkeypatch.setattr(catalogue, "DASHBOARDS", {slug: boards[slug] for slug in boards if slug != "traces"})
    assert "\n- dashboard Agents: traces (" in engine.preview()
    assert engine.run("up")["delete"] == 1
    assert set(grafana.dashboards) == {f"{UID}-{slug}" for slug in boards if slug != "traces"}


def test_contact_points_come_before_the_rules_that_name_them_and_go_after(
    engine: Engine, grafana: AlertingGrafana, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = "arn:aws:sns:eu-central-1:123456789012:alerts"
    told = {"alertEmails": ["one@example.com"], "alertTopicArn": topic, "alertRoutes": {"warning": ["email"]}}
    settings = parse_settings({**file_settings("dev").model_dump(), **told}, "dev")
    engine.run("up")
    monkeypatch.setitem(CHOSEN, "settings", settings)
    changed = engine.run("up")
    assert (changed.get("create"), changed.get("update")) == (3, len(GROUPS)), changed
    kinds = sorted((one["name"], one["type"]) for one in grafana.contacts.values())
    assert kinds == [(f"{UID}-critical", "email"), (f"{UID}-critical", "sns"), (f"{UID}-warning", "email")]
    heard = {rule["labels"]["severity"]: rule["notification_settings"]["receiver"] for rule in grafana.rules.values()}
    assert heard == {"critical": f"{UID}-critical", "warning": f"{UID}-warning"}
    assert set(engine.run("up", refresh=True, run_program=True)) == {"same"}, "what Grafana adds is no drift"
    before = copy.deepcopy(grafana.contacts)
    grafana.contacts[f"{UID}-warning-email"]["settings"]["addresses"] = "by-hand@example.com"
    assert engine.run("up", refresh=True, run_program=True)["update"] == 1
    assert grafana.contacts == before
    monkeypatch.undo()
    assert engine.run("up")["delete"] == 3
    assert grafana.contacts == {} and not any("notification_settings" in rule for rule in grafana.rules.values())


def test_a_tenant_in_the_setting_gets_its_own_and_loses_it_with_the_setting(
    engine: Engine, grafana: AlertingGrafana, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.run("up")
    before, own = contents(grafana), f"{UID}-of-acme"
    told = {"tenantReaders": ["acme", "globex"], "tenantTeams": {"acme": "Acme"}}
    monkeypatch.setitem(CHOSEN, "settings", parse_settings({**file_settings("dev").model_dump(), **told}, "dev"))
    assert "\n+ dashboard Agents: cost (acme) (" in engine.preview()
    with pytest.raises(automation.CommandError, match="no team called Acme"):
        engine.run("up")
    assert contents(grafana) == before, "said before anything is written"
    grafana.teams["Acme"] = 7
    engine.run("up")
    assert grafana.permissions == {own: [{"teamId": 7, "permission": 1}], f"{UID}-of-globex": []}
    assert set(grafana.data_sources) == {UID, own, f"{UID}-of-globex"} == set(grafana.folders)
    assert set(engine.run("up", refresh=True, run_program=True)) == {"same"}
    grafana.permissions[own].append({"role": "Viewer", "permission": 1})
    grafana.data_sources[own]["jsonData"]["username"] = "dashboards"
    assert engine.run("up", refresh=True, run_program=True)["update"] == 2
    assert grafana.permissions[own] == [{"teamId": 7, "permission": 1}]
    assert grafana.data_sources[own]["jsonData"]["username"] == "reader-acme"
    monkeypatch.undo()
    engine.run("up")
    assert contents(grafana) == before


def test_other_people_s_folders_are_not_touched_and_down_leaves_them(engine: Engine, grafana: AlertingGrafana) -> None:
    theirs = {
        "dashboard": {"uid": "theirs", "title": "Theirs", "id": 90, "version": 1},
        "meta": {"folderUid": "others"},
    }
    grafana.folders["others"] = {"uid": "others", "title": "Others"}
    grafana.dashboards["theirs"] = theirs
    grafana.data_sources["theirs"] = {"uid": "theirs", "name": "theirs", "type": "loki"}
    grafana.calls.clear()
    engine.run("up", refresh=True, run_program=True)
    engine.run("destroy")
    assert [call for call in grafana.calls if "others" in call[1] or "theirs" in call[1]] == []
    assert grafana.dashboards == {"theirs": theirs} and grafana.rules == {} and set(grafana.folders) == {"others"}
    assert set(grafana.data_sources) == {"theirs"}

"""Grafana's provisioning files: decoded strictly by Grafana's own models, the same objects as by the API, read by a stand-in
for the program `grafana` with the very command and ini that a local stack runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from infra.cli.dashboards import app
from infra.config import PROJECT
from infra.dashboards.alerts import build_rule_groups
from infra.dashboards.catalogue import build_all
from infra.dashboards.provisioning import FileSource, literal, provisioning_files, write_files
from infra.dashboards.tenants import tenant_prefix
from infra.errors import UserError
from infra.local.grafana import FoundGrafana, find_grafana, grafana_run
from infra.local.supervisor import wait_for
from infra.paths import ROOT
from infra.postdeploy.grafana_api import PLUGIN
from infra.postdeploy.grafana_contacts import receivers
from infra.settings import Settings, parse_settings
from tests.grafana_models import judge
from tests.grafana_program import VERSION, interpolated, loaded
from tests.ports import free_port
from tests.unit.test_dashboard_models import read_back

pytestmark = pytest.mark.timeout(300)
PREFIX = f"{PROJECT}-local"
SOURCE = FileSource("clickhouse", 8443, secure=True, own_ca=True, password=True)
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:alerts-abcdef"
CONTACTS = {
    "alertEmails": ["oncall@example.com", "lead@example.com"],
    "alertSlackSecretArn": SECRET,
    "alertWebhookSecretArn": SECRET,
    "alertRoutes": {"warning": ["email"]},
}


def settings(**more: Any) -> Settings:
    return parse_settings({"platform": "local", **more}, "local")


@pytest.fixture(scope="module")
def with_contacts() -> Settings:
    """As on AWS: only there a stack has a Grafana with contact points today."""
    return settings().model_copy(update=CONTACTS)


@pytest.fixture(scope="module")
def files(with_contacts: Settings) -> dict[str, Any]:
    made = provisioning_files(with_contacts, "local", SOURCE, "/etc/grafana/provisioning")
    return {name: yaml.safe_load(text) for name, text in made.items()}


def test_the_alerting_file_is_what_grafana_s_own_export_looks_like(files: dict[str, Any]) -> None:
    content = files[f"alerting/{PREFIX}.yaml"]
    assert {*content} == {"apiVersion", "groups", "contactPoints"} and len(content["contactPoints"]) == 2
    wrong = json.loads(json.dumps(content))
    wrong["groups"][0]["rules"][0]["annotation"] = {}
    call = {"method": "GET", "path": "/api/v1/provisioning/alert-rules/export", "status": 200}
    good, bad = judge([{**call, "answer": content}, {**call, "answer": wrong}])
    assert (good.operation, good.request, good.answer) == ("GetAlertRulesExport", [], [])
    assert bad.answer == ['json: unknown field "annotation"']


def test_the_data_source_is_the_api_s_with_two_keys_of_the_file_s_own(files: dict[str, Any]) -> None:
    (entry,) = files[f"datasources/{PREFIX}.yaml"]["datasources"]
    assert (entry.pop("orgId"), entry.pop("editable")) == (1, False)
    (verdict,) = judge([{"method": "POST", "path": "/api/datasources", "body": entry}])
    assert (verdict.operation, verdict.request) == ("addDataSource", [])
    assert entry["uid"] == PREFIX and entry["type"] == PLUGIN
    assert entry["secureJsonData"] == {
        "password": "$TELEMETRY_CLICKHOUSE_PASSWORD",
        "tlsCACert": "$TELEMETRY_CLICKHOUSE_CA",
    }


def test_the_dashboards_are_those_that_the_api_is_given(files: dict[str, Any]) -> None:
    for slug, model in build_all(PREFIX).items():
        assert files[f"dashboards/{PREFIX}/{slug}.json"] == model
    (provider,) = files[f"dashboards/{PREFIX}.yaml"]["providers"]
    assert provider["options"]["path"] == f"/etc/grafana/provisioning/dashboards/{PREFIX}"


def by_api(group: dict[str, Any]) -> dict[str, Any]:
    """A group of the API in the file's words."""
    rules: list[dict[str, Any]] = []
    for rule in group["rules"]:
        notes = dict(rule["annotations"])
        where = {"dashboardUid": notes.pop("__dashboardUid__"), "panelId": int(notes.pop("__panelId__"))}
        kept = {key: value for key, value in rule.items() if key not in ("folderUID", "orgID", "ruleGroup")}
        rules.append({**kept, "annotations": notes, **where})
    return {"name": group["title"], "interval": f"{group['interval']}s", "rules": rules}


def test_the_rules_are_those_that_the_api_is_given(files: dict[str, Any], with_contacts: Settings) -> None:
    groups = build_rule_groups(PREFIX, receivers(with_contacts, PREFIX), with_contacts.alertRunbookUrl)
    read = [interpolated(group) for group in files[f"alerting/{PREFIX}.yaml"]["groups"]]
    assert [{key: group[key] for key in ("name", "interval", "rules")} for group in read] == list(map(by_api, groups))
    assert {group["folder"] for group in read} == {"Agents (local): alerts"}, "its uid is not ours to say"


def test_contact_points_hear_of_what_the_settings_say_and_hold_no_secret(files: dict[str, Any]) -> None:
    points = {point["name"]: point["receivers"] for point in files[f"alerting/{PREFIX}.yaml"]["contactPoints"]}
    assert {name: [one["type"] for one in found] for name, found in points.items()} == {
        f"{PREFIX}-critical": ["slack", "email", "webhook"],
        f"{PREFIX}-warning": ["email"],
    }
    secret = [str(value) for one in points[f"{PREFIX}-critical"] for value in one["settings"].values()]
    assert [text for text in secret if "$" in text] == [
        *("$TELEMETRY_ALERT_SLACK_URL", "$TELEMETRY_ALERT_WEBHOOK_URL", "$TELEMETRY_ALERT_WEBHOOK_TOKEN"),
    ]
    bodies = [{**one, "name": name} for name, found in points.items() for one in found]
    path = "/api/v1/provisioning/contact-points"
    for verdict in judge({"method": "POST", "path": path, "body": body} for body in bodies):
        assert verdict.request == []


@pytest.mark.parametrize(
    "text", ["$labels", "a $$ b", "$", "${x}", "no dollar", "$__timeFilter(t) and ${tenant:singlequote}"]
)
def test_a_dollar_sign_stays_one(text: str) -> None:
    assert interpolated(literal({"a": [text]})) == {"a": [text]}


def test_what_is_no_longer_a_dashboard_of_ours_goes_and_other_files_stay(tmp_path: Path) -> None:
    ours = tmp_path / "dashboards" / PREFIX
    ours.mkdir(parents=True)
    (ours / "gone.json").write_text("{}")
    (tmp_path / "dashboards" / "theirs.yaml").write_text("theirs")
    write_files(tmp_path, provisioning_files(settings(), "local", SOURCE, str(tmp_path)))
    assert not (ours / "gone.json").exists() and (tmp_path / "dashboards" / "theirs.yaml").read_text() == "theirs"
    assert {path.stem for path in ours.iterdir()} == set(build_all(PREFIX))


def test_the_command_writes_them_and_names_what_grafana_s_environment_has_to_hold(tmp_path: Path) -> None:
    out = tmp_path / "provisioning"
    command = ["provision", "--out", str(out)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0 and "environment" not in done.output, done.output
    assert (out / "alerting" / f"{PREFIX}.yaml").is_file()
    (entry,) = yaml.safe_load((out / "datasources" / f"{PREFIX}.yaml").read_text())["datasources"]
    assert (entry["jsonData"]["host"], entry["jsonData"]["port"]) == ("127.0.0.1", 8123)
    assert "secureJsonData" not in entry
    further = ["--clickhouse", "https://clickhouse.example.com", "--seen-as", "/etc/grafana/provisioning"]
    done = CliRunner().invoke(app, [*command, *further])
    assert "TELEMETRY_CLICKHOUSE_PASSWORD, TELEMETRY_CLICKHOUSE_CA" in done.output
    provider = yaml.safe_load((out / "dashboards" / f"{PREFIX}.yaml").read_text())["providers"][0]
    assert provider["options"]["path"].startswith("/etc/grafana/provisioning/")
    done = CliRunner().invoke(app, [*command, "--clickhouse", "clickhouse:8123"])
    assert isinstance(done.exception, UserError) and "--clickhouse clickhouse:8123: has to be" in str(done.exception)


def test_uids_of_tenants_with_long_names_fit_and_differ() -> None:
    names = [f"{'tenant-' * 8}{number}" for number in range(3)]
    uids = [tenant_prefix(prefix, name) for name in names for prefix in (PREFIX, f"{PREFIX}-{'x' * 30}")]
    assert len(set(uids)) == 6 and max(map(len, uids)) <= 40


def test_a_tenant_has_a_folder_and_a_data_source_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = settings(tenantReaders=["acme", "cost"])
    secure = provisioning_files(here, "local", SOURCE, str(tmp_path))
    write_files(tmp_path, secure)
    monkeypatch.setenv("TELEMETRY_CLICKHOUSE_PASSWORD_ACME", "acme's")
    told = loaded(tmp_path)
    sources = {source["uid"]: source for source in told["sources"]}
    acme, cost = f"{PREFIX}-of-acme", f"{PREFIX}-of-cost"
    assert set(sources) == {PREFIX, acme, cost} == set(told["dashboards"])
    assert sources[acme]["jsonData"] == {
        **sources[PREFIX]["jsonData"],
        "username": "reader-acme",
        "defaultDatabase": "telemetry_tenant",
    }
    assert sources[acme]["secureJsonData"]["password"] == "acme's"
    assert sources[cost]["secureJsonData"]["password"] == "", "another variable"
    uids = [uid for boards in told["dashboards"].values() for uid in boards] + list(told["dashboards"])
    assert len(uids) == len(set(uids)) and all(len(uid) <= 40 for uid in uids)
    whole = json.dumps(told["dashboards"][acme])
    assert "of-cost" not in whole and "telemetry.spans_minute" not in whole
    for model in told["dashboards"][acme].values():
        (source,) = [one for one in model["templating"]["list"] if one["type"] == "datasource"]
        assert source["regex"] == f"/^{acme}$/" and source["current"]["value"] == acme
        assert read_back(model) == []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine with a `grafana` whose home is unpacked somewhere, and its plugin."""
    home = tmp_path / "grafana-home"
    for folder in ("bin", "conf", f"data/plugins/{PLUGIN}"):
        (home / folder).mkdir(parents=True)
    (home / "conf" / "defaults.ini").write_text("")
    program = home / "bin" / "grafana"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m tests.grafana_program "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("GF_PATHS_PLUGINS", raising=False)
    yield home


def test_a_grafana_that_is_found_reads_the_command_the_ini_and_every_file(machine: Path, tmp_path: Path) -> None:
    found = find_grafana([], [])
    assert found == FoundGrafana(machine / "bin" / "grafana", VERSION, machine, machine / "data" / "plugins")
    port = free_port()
    here = settings(dashboardsPort=port)
    run = grafana_run(found, here, "local", tmp_path / "run")
    for path, text in run.files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    process = subprocess.Popen(run.command, stderr=subprocess.PIPE, text=True)
    try:

        def answers() -> Any:
            assert process.poll() is None, process.stderr and process.stderr.read()
            try:
                with urllib.request.urlopen(run.ready_url, timeout=5) as answer:
                    return json.load(answer)
            except OSError:
                return None

        assert wait_for(answers, 60) == {"database": "ok", "version": VERSION}
        with urllib.request.urlopen(run.ready_url.replace("/api/health", "/loaded"), timeout=5) as answer:
            told = json.load(answer)
    finally:
        process.terminate()
        process.wait(10)
    assert told["home"] == "Agents: overview"
    assert told["dashboards"] == {PREFIX: {model["uid"]: model for model in build_all(PREFIX).values()}}
    assert [source["jsonData"]["port"] for source in told["sources"]] == [here.clickhousePort]
    groups = build_rule_groups(PREFIX)
    assert [group["rules"] for group in told["groups"]] == [by_api(group)["rules"] for group in groups]


def test_a_grafana_that_lacks_something_is_refused_with_what_to_do(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "data" / "plugins" / PLUGIN).rmdir()
    with pytest.raises(UserError, match=f"plugin {PLUGIN} is in none of .*install it"):
        find_grafana([], [])
    elsewhere = tmp_path / "plugins"
    (elsewhere / PLUGIN).mkdir(parents=True)
    monkeypatch.setenv("GF_PATHS_PLUGINS", str(elsewhere))
    assert find_grafana([], []).plugins == elsewhere
    (machine / "conf" / "defaults.ini").unlink()
    with pytest.raises(UserError, match=r"no home folder with conf/defaults\.ini"):
        find_grafana([], [])
    program = machine / "bin" / "grafana"
    program.write_text("#!/bin/sh\necho grafana version 9.5.21\n")
    with pytest.raises(UserError, match=re.escape("is Grafana 9.5.21; 10.0 or newer is needed")):
        find_grafana([], [])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"no `grafana` on PATH: install 10\.0 or newer, or leave it at page"):
        find_grafana([], [])

"""`telemetry doctor` on this machine: each check both ways, what can't be looked at, the table and the exit code."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from infra.cli import app
from infra.cli import doctor as command
from infra.doctor import local, stack, tools
from infra.doctor.check import Check, Result, Unseen, fail, ok, run, warn
from infra.errors import UserError
from infra.local.supervisor import Control
from infra.paths import ROOT
from infra.settings import PORTS, Settings, parse_settings
from infra.tenants import Credential
from tests.ports import free_ports

NOW, DAY = 1_800_000_000.0, 86_400


def settings(**values: Any) -> Settings:
    return parse_settings({"portBase": 42_000, **values}, "test")


def raising(error: Exception) -> Callable[[], Result]:
    def look() -> Result:
        raise error

    return look


# --- what a check may do


def test_whatever_happens_in_a_check_is_a_result() -> None:
    assert run(Check("a", lambda: warn("dusty", "dust it"))).fix == "dust it"
    assert run(Check("a", raising(UserError("wrong")))).state == "fail"
    unseen = run(Check("a", raising(Unseen("too dark"))))
    assert (unseen.state, unseen.found) == ("not applicable", "too dark")
    unforeseen = run(Check("a", raising(KeyError("x"))))
    assert unforeseen.state == "warn" and "KeyError: 'x'" in unforeseen.found


def test_a_failed_check_is_exit_code_1_and_a_warning_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Check("engine", lambda: ok("there")), Check("disk", lambda: warn("small", "free some"))]
    monkeypatch.setattr(command, "checks", lambda _: found)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0 and "0 fail, 1 to look at, 1 ok" in done.stdout
    found.append(Check("ports", lambda: fail("taken", "end it")))
    done = CliRunner().invoke(app, ["doctor", "--json"])
    said = json.loads(done.stdout)
    assert done.exit_code == 1 and said["failed"] == ["ports"]
    assert said["checks"][2] == {"name": "ports", "state": "fail", "found": "taken", "fix": "end it"}
    assert "error: ports" in done.stderr


def test_the_table_fits_80_columns_whole() -> None:
    long = "a setting that takes more than a line to say what was found, and where it stands"
    done = [run(Check("quota: Managed Grafana workspaces", lambda: fail(long, long)))]
    with StringIO() as text:
        Console(file=text, width=80, force_terminal=True, color_system=None).print(command.table(done))
        lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80 and "…" not in "".join(lines)


def test_wrong_settings_are_a_check_and_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("infra.config.ROOT", tmp_path)
    (tmp_path / "Pulumi.mine.yaml").write_text("config: {agent-telemetry:kafkaPartitions: many}")
    (found,) = [run(check) for check in command.checks("mine") if check.name == "settings"]
    assert found.state == "fail" and "kafkaPartitions" in found.found


def test_without_network_credentials_or_backend_it_says_so_and_shows_no_trace(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "doctor", "--name", "dev"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    lines = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    assert "there are no AWS credentials" in lines["account"] and " fail " in lines["account"]
    assert "no backend is chosen" in lines["backend"] and " fail " in lines["backend"]
    for name in ("region", "quota: VPCs", "ClickHouse", "nodes' certificates", "credentials of tenants"):
        assert " n/a " in lines[name] and "not without the account" in lines[name], name


# --- tools


def test_a_program_counts_from_the_least_version_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tools.program("python").state == "ok"
    monkeypatch.setattr("infra.local.toolchain.programs.minimum", lambda _: "99")
    found = tools.program("python")
    assert (
        found.state == "fail" and "99 or newer is needed" in found.found and found.fix.startswith("install Python 99")
    )


def test_what_to_install_is_told_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    found = tools.program("java")
    assert found.state == "fail" and found.found.endswith("or newer is needed; not found")
    assert found.fix.startswith("install a JDK") and "(Debian: apt install" in found.fix


def test_a_builder_is_not_needed_while_all_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(tools, "ready", lambda _: None)
    assert tools.builder_of("maven", ["kafka"]).state == "fail"
    monkeypatch.setattr(tools, "ready", lambda tool: tool)
    found = tools.builder_of("maven", ["kafka"])
    assert found.state == "not applicable" and "kafka: built already" in found.found


def test_a_tool_of_ours_is_there_or_said_how_to_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AGENT_TELEMETRY_CACHE", str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda _: None)
    missing = tools.built_tool("pulumi")
    assert missing.state == "warn" and "telemetry tools" in missing.fix
    part = SimpleNamespace(version="3.250.0", folder=tmp_path / "pulumi")
    monkeypatch.setattr(tools, "ready", lambda _: part)
    assert tools.built_tool("pulumi") == ok("3.250.0 (in the cache)")


def test_the_engine_s_plugins_are_looked_for_in_its_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert "kubernetes" not in tools.plugins(settings()).found
    found = settings().model_copy(update={"collectorPlatform": "kubernetes"})
    missing = tools.plugins(found)
    assert missing.state == "warn" and "aws 7." in missing.found and "kubernetes 4." in missing.found
    for plugin in missing.found.partition(": ")[2].split(", "):
        name, version = plugin.split()
        (tmp_path / "plugins" / f"resource-{name}-v{version}").mkdir(parents=True)
    assert tools.plugins(found).state == "ok"


def test_the_session_plugin_is_needed_for_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings()
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert tools.session_plugin(found).state == "fail"
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert tools.session_plugin(found).state == "ok"
    direct = found.model_copy(update={"clickhouseReach": "direct"})
    assert tools.session_plugin(direct).state == "not applicable"


# --- room


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says whether the stack is up, and which of its parts run."""
    state = SimpleNamespace(alive=False, parts={})
    monkeypatch.setattr(Control, "alive", lambda _: state.alive)
    monkeypatch.setattr(Control, "processes", lambda _: state.parts)
    return state


def test_ports_are_free_taken_or_the_stack_s_own(monkeypatch: pytest.MonkeyPatch, up: Any) -> None:
    found = settings(**dict(zip(PORTS, free_ports(len(PORTS)), strict=True)))
    port = found.clickhousePort
    with socket.create_server(("127.0.0.1", port)):
        taken = local.ports("mine", found)
        assert taken.state == "fail" and f"{port} (setting clickhousePort) by" in taken.found
        up.alive = True
        monkeypatch.setattr(local, "daemon_pid", lambda _: os.getppid())
        assert local.ports("mine", found).state == "ok", "a part holds it"
        monkeypatch.setattr(local, "daemon_pid", lambda _: None)
        held = local.ports("mine", found)
        assert held.state == "fail" and f"{port} (setting clickhousePort) by" in held.found
        assert f"(pid {os.getpid()})" in held.found and "telemetry up --name mine" in held.fix
    up.alive = False
    assert local.ports("mine", found).state == "ok"


@pytest.mark.parametrize(("gib", "state"), [(0.5, "fail"), (3, "warn"), (50, "ok")])
def test_disk(monkeypatch: pytest.MonkeyPatch, gib: float, state: str) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=gib * 2**30))
    found = local.disk()
    assert found.state == state and f"{gib:.1f} GiB free" in found.found


def test_memory_has_to_hold_the_parts(monkeypatch: pytest.MonkeyPatch, up: Any) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2 * 2**30))
    assert local.memory("mine", settings()).state == "ok"
    small = local.memory("mine", settings(kafkaHeapMiB=4096))
    assert small.state == "fail" and "kafkaHeapMiB" in small.fix
    up.alive = True
    assert local.memory("mine", settings(kafkaHeapMiB=4096)).state == "ok"


# --- what runs


def test_parts_run_or_are_named(up: Any) -> None:
    assert local.parts("mine").state == "not applicable"
    up.alive, up.parts = True, {"kafka": {"statename": "RUNNING"}, "worker": {"statename": "FATAL"}}
    found = local.parts("mine")
    assert found.state == "fail" and found.found == "not running: worker"
    up.parts["worker"]["statename"] = "RUNNING"
    assert local.parts("mine") == ok("2 run")


def test_the_last_up_is_read_from_the_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local, "stack_folder", lambda name: tmp_path / name)
    assert local.last_up("mine").state == "not applicable"
    home = tmp_path / "mine" / "state" / ".pulumi"
    record = home / "history" / "agent-telemetry" / "mine" / "mine-1.history.json"
    state = home / "stacks" / "agent-telemetry" / "mine.json"
    for path in (record, state):
        path.parent.mkdir(parents=True)
    state.write_text(json.dumps({"checkpoint": {"latest": {"pending_operations": []}}}))
    record.write_text(json.dumps({"kind": "update", "result": "succeeded"}))
    assert local.last_up("mine").state == "ok"
    record.write_text(json.dumps({"kind": "update", "result": "failed"}))
    assert local.last_up("mine").state == "warn"
    state.write_text(json.dumps({"checkpoint": {"latest": {"pending_operations": [{}]}}}))
    cut = local.last_up("mine")
    assert cut.state == "warn" and "1 operations were cut off" in cut.found


class Client:
    """A ClickHouse of some version."""

    def __init__(self, version: str):
        self.version = version

    def query(self, text: str) -> Any:
        assert text == "SELECT version()"
        return SimpleNamespace(result_rows=[(self.version,)])


@pytest.mark.parametrize(
    ("runs", "wanted", "state"),
    [
        ("26.8.7.7", "26.8.7.7", "ok"),
        ("26.3.1.1", "26.8.7.7", "warn"),
        ("26.1.2.1", "", "ok"),
        ("25.8.1.1", "", "fail"),
    ],
)
def test_clickhouse_s_version(runs: str, wanted: str, state: str) -> None:
    found = stack.clickhouse_version(Client(runs), wanted, "26.1")  # type: ignore[arg-type]
    assert found.state == state and runs in found.found


@pytest.mark.parametrize(
    ("rows", "state", "said"),
    [
        ([], "not applicable", "nothing yet"),
        ([("canary", True, 5), ("audit", True, 70)], "ok", "2 steps get done, the last 5 s ago"),
        ([("canary", False, 5), ("audit", True, 70)], "fail", "does not get done: canary"),
        ([("canary", True, 400)], "fail", "nothing for 400 s, 180 at most"),
    ],
)
def test_the_worker_s_steps(
    monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, bool, int]], state: str, said: str
) -> None:
    found = [{"step": step, "ok": ok, "value": 0.0, "seconds_ago": ago} for step, ok, ago in rows]
    monkeypatch.setattr("infra.worker.results.latest", lambda _: found)
    result = stack.worker("mine", settings(workerCanarySeconds=60), None)  # type: ignore[arg-type]
    assert result.state == state and said in result.found
    assert state != "fail" or "telemetry logs --name mine --part worker" in result.fix


# --- settings, pins, credentials


def test_example_values_are_named_where_an_up_refuses_them() -> None:
    assert stack.ready("mine", settings()).state == "ok"
    aws = {"platform": "aws", "env": "dev", "collectorAuth": "jwt", "collectorZoneId": "Z0123"}
    found = stack.ready("mine", parse_settings(aws, "test"))
    assert found.state == "fail" and "awsAccount" in found.found and found.fix.endswith("Pulumi.mine.yaml")


def test_pins_are_wanted_where_they_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = settings().model_copy(update={"platform": "aws"})
    monkeypatch.setattr(stack, "missing_pins", lambda: ["collector-image"])
    assert stack.pins(settings()).state == "not applicable"
    found = stack.pins(aws)
    assert found.state == "warn" and "collector-image" in found.found and "telemetry pin" in found.fix
    assert stack.pins(aws.model_copy(update={"requirePins": True})).state == "fail"
    monkeypatch.setattr(stack, "missing_pins", lambda: [])
    assert stack.pins(aws).state == "ok"


def credential(name: str, days: float) -> Credential:
    return Credential(name, ("acme",), int(NOW - 100 * DAY), int(NOW + days * DAY))


@pytest.mark.parametrize(
    ("found", "state", "said"),
    [
        ([credential("a", 200)], "ok", "1 live, the oldest made 100 days ago, the first ends in 200 days"),
        ([credential("a", 200), credential("b", 20.5)], "warn", "ends: b in 20 days"),
        ([credential("b", -1)], "fail", "over: b"),
        ([], "warn", "nobody can send"),
    ],
)
def test_credentials_that_end_soon_are_named(found: list[Credential], state: str, said: str) -> None:
    result = stack.ending("mine", found, NOW)
    assert result.state == state and said in result.found
    assert state == "ok" or "telemetry tenants add TENANT --name mine" in result.fix


def test_nobody_needs_a_credential_without_sign_in() -> None:
    store: Any = None
    assert stack.credentials("mine", settings(), store, lambda: None).state == "not applicable"

"""Applying a bundle through SSM: what runs on the node, when it runs again, and whose error is shown."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.aws.clickhouse import applied
from infra.aws.clickhouse.applied import AppliedProvider, commands
from infra.errors import UserError
from infra.paths import CONFIGS

PROPS: dict[str, Any] = {
    "node": "clickhouse-1",
    "region": "eu-central-1",
    "instance_id": "i-1",
    "bucket": "b",
    "key": "clickhouse-1.json",
    "sha256": "0" * 64,
    "files": {},
    "effect": "x",
    "triggers": ["m7g.large"],
    "said": None,
}


class Node:
    """Stands for SSM: what was asked of it, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: str = "") -> None:
        self.asked: list[Any] = []

        def run(region: str, instance_id: str, given: list[str], _seconds: int) -> str:
            self.asked.append((region, instance_id, given))
            if error:
                raise UserError(error)
            return "clickhouse-1: serves\n"

        monkeypatch.setattr(applied, "wait_online", lambda *given: self.asked.append(given))
        monkeypatch.setattr(applied, "run_command", run)


def test_the_node_is_awaited_and_then_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(monkeypatch)
    made = AppliedProvider().create(PROPS)
    assert made.id == "clickhouse-1" and made.outs and made.outs["said"] == "clickhouse-1: serves"
    assert node.asked[0][:2] == ("eu-central-1", "i-1") and node.asked[1][2] == commands(PROPS)


@pytest.mark.parametrize("key, value", [("sha256", "1" * 64), ("instance_id", "i-2"), ("triggers", ["m7g.xlarge"])])
def test_it_runs_again_in_place(monkeypatch: pytest.MonkeyPatch, key: str, value: Any) -> None:
    node = Node(monkeypatch)
    changed = {**PROPS, key: value}
    diff = AppliedProvider().diff("clickhouse-1", PROPS, changed)
    assert diff.changes and not diff.replaces
    AppliedProvider().update("clickhouse-1", PROPS, changed)
    assert len(node.asked) == 2


def test_nothing_changed_and_a_refresh_ask_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(monkeypatch)
    assert not AppliedProvider().diff("clickhouse-1", {**PROPS, "said": "serves"}, PROPS).changes
    assert AppliedProvider().read("clickhouse-1", PROPS).outs == PROPS
    AppliedProvider().delete("clickhouse-1", PROPS)
    assert node.asked == []


def test_an_error_names_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    Node(monkeypatch, "instance i-1: Failed")
    with pytest.raises(UserError, match=r"^clickhouse-1: instance i-1: Failed"):
        AppliedProvider().create(PROPS)


def script(sha256: str = "0" * 64) -> str:
    return "\n".join(commands({**PROPS, "sha256": sha256}))


@pytest.mark.parametrize(
    "text", [script(), (CONFIGS / "clickhouse/aws/user_data.sh").read_text()], ids=["bootstrap", "user data"]
)
def test_shell_scripts_are_clean(text: str, tmp_path: Path) -> None:
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    shellcheck = str(Path(sys.executable).parent / "shellcheck")
    checked = subprocess.run([shellcheck, "--shell=bash", "-"], input=text, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout


class TestBootstrap:
    """The script in a shell, with an `aws` that hands out a bundle and a folder that stands for /opt."""

    def run(self, folder: Path, bundle: dict[str, str], sha256: str = "") -> subprocess.CompletedProcess[str]:
        text = json.dumps(bundle)
        (folder / "given").write_text(text)
        (folder / "aws").write_text('#!/bin/sh\nfor last; do :; done\ncp "$GIVEN" "$last"\n')
        (folder / "aws").chmod(0o755)
        wanted = sha256 or hashlib.sha256(text.encode()).hexdigest()
        moved = script(wanted).replace("/opt/agent-telemetry", str(folder / "opt"))
        path = f"{folder}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "GIVEN": str(folder / "given")}
        return subprocess.run(["sh"], input=moved, text=True, capture_output=True, env=environment, check=False)

    def test_it_runs_what_is_in_the_bundle(self, tmp_path: Path) -> None:
        bundle = {"apply/__init__.py": "", "apply/__main__.py": "print(open('plan.json').read())", "plan.json": "plan"}
        ran = self.run(tmp_path, bundle)
        assert (ran.returncode, ran.stdout.strip()) == (0, "plan"), ran.stderr

    def test_another_bundle_than_the_programs_is_refused(self, tmp_path: Path) -> None:
        ran = self.run(tmp_path, {"apply/__main__.py": "print('ran')"}, sha256="1" * 64)
        assert ran.returncode != 0 and "ran" not in ran.stdout

    def test_files_of_an_earlier_bundle_are_gone(self, tmp_path: Path) -> None:
        self.run(tmp_path, {"apply/__main__.py": "", "files/old": ""})
        self.run(tmp_path, {"apply/__main__.py": ""})
        assert not (tmp_path / "opt/bundle/files").exists()

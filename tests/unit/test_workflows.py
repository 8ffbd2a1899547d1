"""The workflows: actions as configs/versions.yaml lists them, no stored key, least rights, commands that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from infra.aws.bootstrap.settings import FILE, read
from infra.cli import app
from infra.guard import versions
from infra.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RIGHTS = {"contents": "read", "id-token": "write", "pull-requests": "write"}
"""The most that any job has."""


def jobs() -> list[Any]:
    return [
        pytest.param(workflow, name, job, id=f"{path.stem}-{name}")
        for path in WORKFLOWS
        for workflow in [yaml.safe_load(path.read_text())]
        for name, job in workflow["jobs"].items()
    ]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_the_listed_one(path: Path) -> None:
    listed = {entry["repository"]: entry for entry in versions()["actions"].values()}
    used = re.findall(r"uses: (\S+?)@(\S+)(?: # (\S+))?", path.read_text())
    assert used or "uses:" not in path.read_text()
    for repository, ref, version in used:
        entry = listed[repository]
        wanted = (entry["pin"], entry["version"]) if entry["pin"] else (entry["version"], "")
        assert (ref, version) == wanted, f"{repository}: `telemetry pin` writes it"


def test_no_action_is_listed_for_nothing() -> None:
    text = "".join(path.read_text() for path in WORKFLOWS)
    assert [name for name, entry in versions()["actions"].items() if f"{entry['repository']}@" not in text] == []


@pytest.mark.parametrize(("workflow", "name", "job"), jobs())
def test_a_job_has_the_least_rights_and_no_stored_key(workflow: Any, name: str, job: Any) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    rights = job.get("permissions", workflow["permissions"])
    assert all(RIGHTS.get(right) == level for right, level in rights.items()), rights
    assert "secrets." not in yaml.safe_dump(job)
    signs_in = any("configure-aws-credentials" in step.get("uses", "") for step in job["steps"])
    assert signs_in == (rights.get("id-token") == "write")
    assert job["timeout-minutes"] <= 240


@pytest.mark.parametrize(("workflow", "name", "job"), jobs())
def test_nothing_that_a_stranger_writes_gets_into_a_shell(workflow: Any, name: str, job: Any) -> None:
    for step in job["steps"]:
        for used in re.findall(r"\$\{\{\s*(.*?)\s*\}\}", step.get("run", "")):
            assert used == "matrix.stack", f"{used}: give it to the shell by `env`"


def commands() -> list[Any]:
    found = []
    for path in WORKFLOWS:
        text = path.read_text().replace("${{ matrix.stack }}", "dev")
        for line in re.findall(r"\.venv/bin/telemetry (.+)", text):
            found.append(pytest.param(shlex.split(line.partition(" >>")[0]), id=f"{path.stem}-{line.split()[0]}"))
    return found


@pytest.mark.parametrize("words", commands())
def test_a_command_and_its_options_exist(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    context = command.make_context("telemetry", list(words), resilient_parsing=True)
    _, found, rest = command.resolve_command(context, list(words))
    known = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= known


def test_each_stack_that_is_deployed_has_an_environment_that_may_sign_in() -> None:
    deploy = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())
    named = {job["environment"] for job in deploy["jobs"].values() if "environment" in job}
    assert named == set(read(FILE).environments)


def test_one_run_a_stack_at_a_time_and_no_deploy_is_cut_off() -> None:
    deploy = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())
    for name in ("dev", "prod"):
        assert deploy["jobs"][name]["concurrency"] == {"group": f"deploy-{name}"}
    preview = yaml.safe_load((ROOT / ".github" / "workflows" / "preview.yml").read_text())
    assert "matrix.stack" in preview["jobs"]["preview"]["concurrency"]["group"]

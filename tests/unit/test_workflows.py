"""The workflows: actions as configs/versions.yaml lists them, no stored key, least rights, commands that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from infra.aws.bootstrap.program import SESSION_SECONDS
from infra.aws.bootstrap.settings import FILE, REAPER, read
from infra.cli import app
from infra.guard import versions
from infra.paths import ROOT
from tests.go_programs import ACTIONLINT, built

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RIGHTS = {"contents": ["read"], "id-token": ["write"], "pull-requests": ["read", "write"]}
"""The most that any job has."""


def jobs() -> list[Any]:
    return [
        pytest.param(workflow, name, job, id=f"{path.stem}-{name}")
        for path in WORKFLOWS
        for workflow in [yaml.safe_load(path.read_text())]
        for name, job in workflow["jobs"].items()
    ]


def complaints(path: Path) -> str:
    """What actionlint says of a workflow. Without shellcheck and pyflakes, which it takes from PATH when they are there."""
    command = [built(ACTIONLINT), "-shellcheck=", "-pyflakes=", "-no-color", path]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60).stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_one_to_github(path: Path) -> None:
    assert complaints(path) == ""


def test_a_misspelt_output_would_be_found(tmp_path: Path) -> None:
    text = (ROOT / ".github" / "workflows" / "preview.yml").read_text()
    broken = tmp_path / "preview.yml"
    broken.write_text(text.replace("steps.preview.outcome", "steps.previews.outcome"))
    assert "previews" in complaints(broken)


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
    assert all(level in RIGHTS[right] for right, level in rights.items()), rights
    assert "secrets." not in yaml.safe_dump(job)
    signs_in = any("configure-aws-credentials" in step.get("uses", "") for step in job["steps"])
    assert signs_in == (rights.get("id-token") == "write")
    assert job["timeout-minutes"] <= 240
    for step in job["steps"]:
        asked = step.get("with", {}).get("role-duration-seconds")
        # One without lasts an hour.
        if "configure-aws-credentials" in step.get("uses", ""):
            assert job["timeout-minutes"] * 60 <= (asked or 3600) <= SESSION_SECONDS, "it ends before the job"


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
    found: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(found, "resolve_command"):
        context = found.make_context("telemetry", list(rest), resilient_parsing=True)
        _, found, rest = found.resolve_command(context, list(rest))
    known = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= known


def test_each_stack_that_is_deployed_has_an_environment_that_may_sign_in() -> None:
    all_jobs = [job for path in WORKFLOWS for job in yaml.safe_load(path.read_text())["jobs"].values()]
    named = {job["environment"] for job in all_jobs if isinstance(job.get("environment"), str)}
    assert named == set(read(FILE).environments)


def test_each_stack_that_is_previewed_has_a_role_that_reads_it_alone_and_the_job_s_environment_takes_it() -> None:
    job = yaml.safe_load((ROOT / ".github" / "workflows" / "preview.yml").read_text())["jobs"]["preview"]
    found = read(FILE)
    for stack in job["strategy"]["matrix"]["stack"]:
        environment = job["environment"]["name"].replace("${{ matrix.stack }}", stack)
        takes = [may for may in found.previews.values() if f"environment:{environment}" in may.jobs]
        assert [may.stacks for may in takes] == [[stack]]
    assert "pull_request" not in str(found.previews), "whoever may push a branch could read all of these"


def test_code_that_is_not_merged_deploys_in_an_environment_of_its_own() -> None:
    """So that dev's can be for main alone."""
    used: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text())
        on = "main" if workflow[True] == {"push": {"branches": ["main"]}} else "branches"
        for job in workflow["jobs"].values():
            if isinstance(job.get("environment"), str):
                used.setdefault(job["environment"], set()).add(on)
    assert used["dev"] == used["prod"] == {"main"} and used["ephemeral"] == {"branches"}


def test_the_end_of_a_stack_waits_for_nobody_s_approval() -> None:
    jobs_of = yaml.safe_load((ROOT / ".github" / "workflows" / "ephemeral.yml").read_text())["jobs"]
    assert jobs_of["reap"]["environment"] == REAPER != jobs_of["up"]["environment"]


def test_one_run_a_stack_at_a_time_and_no_deploy_is_cut_off() -> None:
    deploy = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())
    for name in ("dev", "prod"):
        assert deploy["jobs"][name]["concurrency"] == {"group": f"deploy-{name}"}
    ephemeral = yaml.safe_load((ROOT / ".github" / "workflows" / "ephemeral.yml").read_text())
    up, down = (ephemeral["jobs"][name]["concurrency"] for name in ("up", "down"))
    assert up == down == {"group": "ephemeral-${{ github.event.pull_request.number }}"}
    preview = yaml.safe_load((ROOT / ".github" / "workflows" / "preview.yml").read_text())
    assert "matrix.stack" in preview["jobs"]["preview"]["concurrency"]["group"]


def runs(condition: str, event: dict[str, Any]) -> bool:
    """What GitHub makes of a job's `if`: comparisons, contains, && and ||."""
    text = re.sub(r"contains\((.+?), (.+?)\)", r"(\2 in \1)", " ".join(condition.split()))
    text = re.sub(r"github\.[\w.*]+", lambda found: repr(event.get(found[0], "")), text)
    return bool(eval(text.replace("&&", " and ").replace("||", " or ")))


def pull_request(action: str, labels: tuple[str, ...] = (), label: str = "", fork: bool = False) -> dict[str, Any]:
    return {
        "github.event_name": "pull_request",
        "github.repository": "o/r",
        "github.event.action": action,
        "github.event.label.name": label,
        "github.event.pull_request.labels.*.name": list(labels),
        "github.event.pull_request.head.repo.full_name": "somebody/r" if fork else "o/r",
    }


BOTH = ("ephemeral", "docs")


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (pull_request("labeled", BOTH, "ephemeral"), ["up"]),
        (pull_request("labeled", BOTH, "docs"), []),
        (pull_request("labeled", ("docs",), "docs"), []),
        (pull_request("synchronize", BOTH), ["up"]),
        (pull_request("synchronize", ("docs",)), []),
        (pull_request("reopened", BOTH), ["up"]),
        (pull_request("unlabeled", ("docs",), "ephemeral"), ["down"]),
        (pull_request("unlabeled", ("ephemeral",), "docs"), []),
        (pull_request("closed", BOTH), ["down"]),
        (pull_request("closed", ("docs",)), []),
        (pull_request("labeled", BOTH, "ephemeral", fork=True), []),
        (pull_request("closed", BOTH, fork=True), []),
        ({"github.event_name": "schedule"}, ["reap"]),
        ({"github.event_name": "workflow_dispatch"}, ["reap"]),
    ],
)
def test_the_label_decides_which_job_of_an_ephemeral_stack_runs(event: dict[str, Any], wanted: list[str]) -> None:
    jobs_of = yaml.safe_load((ROOT / ".github" / "workflows" / "ephemeral.yml").read_text())["jobs"]
    assert [name for name, job in jobs_of.items() if runs(job["if"], event)] == wanted

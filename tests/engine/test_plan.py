"""`preview --save-plan` and `up --plan`: what was looked at is what is done. `unlock`: what a killed command left."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.automation import state_file
from tests.stack import Stack, local_stack

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A stack that is up."""
    with local_stack() as made:
        yield made


def test_an_up_by_plan_does_what_the_preview_showed(stack: Stack, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    stack.configure(retentionRawDays=200)
    stack.telemetry("preview", "--save-plan", str(plan))
    done = stack.telemetry("up", "--plan", str(plan))
    assert "Retention retention updated" in done.stdout and "violates plan" not in done.stdout, done.stdout


def test_an_up_by_plan_that_failed_half_way_goes_on_by_the_same_plan(stack: Stack, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    stack.configure(kafkaRetentionHours=24, retentionRawDays=190)
    stack.telemetry("preview", "--save-plan", str(plan))
    stack.telemetry("query", "RENAME TABLE telemetry.dead_letters TO telemetry.away")
    done = stack.telemetry("up", "--plan", str(plan), check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "dead_letters" in said and "violates plan" not in said, said
    stack.telemetry("query", "RENAME TABLE telemetry.away TO telemetry.dead_letters")
    done = stack.telemetry("up", "--plan", str(plan))
    assert "violates plan" not in done.stdout and "updated" in done.stdout, done.stdout
    shown = stack.telemetry("preview").stdout
    assert "to update" not in shown and "to create" not in shown, shown


def test_what_the_plan_does_not_have_is_refused_and_not_done(stack: Stack, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    stack.configure(retentionContentDays=31)
    stack.telemetry("preview", "--save-plan", str(plan))
    stack.configure(retentionContentDays=32)
    before = state_file(stack.name).read_text()
    done = stack.telemetry("up", "--plan", str(plan), check=False)
    assert done.returncode == 1 and "violates plan" in done.stdout + done.stderr, done.stdout
    ttls = [
        item["inputs"]["ttls"]
        for item in json.loads(before)["checkpoint"]["latest"]["resources"]
        if "ttls" in item.get("inputs", {})
    ]
    assert "32" not in ttls[0]["content"]
    after = json.loads(state_file(stack.name).read_text())["checkpoint"]["latest"]["resources"]
    assert [item["inputs"]["ttls"] for item in after if "ttls" in item.get("inputs", {})] == ttls


def test_a_plan_that_is_not_there_is_named(stack: Stack, tmp_path: Path) -> None:
    done = stack.telemetry("up", "--plan", str(tmp_path / "gone.json"), check=False)
    assert done.returncode == 1 and f"telemetry preview --name {stack.name} --save-plan" in done.stderr


def test_unlock_takes_away_a_dead_commands_lock_and_leaves_a_live_ones(stack: Stack) -> None:
    folder = stack.folder / "state" / ".pulumi" / "locks" / "organization" / "agent-telemetry" / stack.name
    folder.mkdir(parents=True, exist_ok=True)
    owners = {"dead": 2**22 - 1, "live": os.getpid()}
    for name, pid in owners.items():
        (folder / f"{name}.json").write_text(json.dumps({"pid": pid, "hostname": socket.gethostname()}))
    assert "1 left behind, removed" in stack.telemetry("unlock").stdout
    assert [path.name for path in folder.glob("*.json")] == ["live.json"]
    (folder / "live.json").unlink()
    assert "nothing was left locked" in stack.telemetry("unlock").stdout

"""`make compose-up` and `compose-down`: what they ask Docker for, and what they say where it can't. Docker is a stand-in that
answers what a test gives it and ends with an error on any other command."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infra.compose.project import MINIMUM, doors
from infra.paths import ROOT

SCRIPT = ROOT / "infra" / "compose" / "compose.sh"
UP = "compose up --build --detach --wait"
DOWN = "compose down --volumes --remove-orphans"
PORTS = {
    *("compose port grafana 3000", "compose port collector 4318", "compose port collector 4317"),
    *("compose port clickhouse 8123", "compose port kafka 29092"),
}
DOCKER = """#!/bin/sh
echo "$*" >> "{folder}/asked"
answer="{folder}/answers/$*"
[ -f "$answer" ] || {{ echo "unknown command: docker $*" >&2; exit 125; }}
. "$answer"
"""


@dataclass
class Machine:
    """One with (or without) a docker on PATH that answers these commands with this shell text."""

    folder: Path
    answers: dict[str, str] = field(default_factory=dict)

    def run(self, what: str, docker: bool = True) -> subprocess.CompletedProcess[str]:
        tools = self.folder / "bin"
        (self.folder / "answers").mkdir()
        tools.mkdir()
        for name in ("sh", "sed", "sort", "head", "grep", "cat", "dirname"):
            (tools / name).symlink_to(Path("/usr/bin") / name)
        if docker:
            (tools / "docker").write_text(DOCKER.format(folder=self.folder))
            (tools / "docker").chmod(0o755)
        for command, text in self.answers.items():
            (self.folder / "answers" / command).write_text(text)
        return subprocess.run([str(SCRIPT), what], env={"PATH": str(tools)}, capture_output=True, text=True, timeout=30)

    def asked(self) -> list[str]:
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []


def good(version: str = "2.40.3", **more: str) -> dict[str, str]:
    shown = {command: f"echo 127.0.0.1:{command.split()[-1]}" for command in PORTS}
    return {"compose version --short": f"echo {version}", "info": "", UP: "", DOWN: "", **shown, **more}


def test_without_docker_it_says_what_to_install_and_what_needs_none(tmp_path: Path) -> None:
    done = Machine(tmp_path).run("up", docker=False)
    assert done.returncode == 1
    assert done.stderr == (
        "error: docker is not on PATH: install Docker (docs.docker.com/get-docker), or use `make up`, which needs none.\n"
    )


@pytest.mark.parametrize("version", ["2.16.9", "v2.2.3", "1.29.2"])
def test_a_docker_compose_that_is_too_old_is_refused(version: str, tmp_path: Path) -> None:
    machine = Machine(tmp_path, good(version))
    done = machine.run("up")
    assert done.returncode == 1
    assert f"error: docker compose is {version}; {MINIMUM} or newer is needed" in done.stderr
    assert UP not in machine.asked()


@pytest.mark.parametrize("version", ["2.17.0", "v2.17.0-desktop.1", "2.100.0", "5.0.1"])
def test_a_newer_one_starts_builds_and_waits_and_says_where_everything_is(version: str, tmp_path: Path) -> None:
    machine = Machine(tmp_path, good(version))
    done = machine.run("up")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Dashboards  http://127.0.0.1:3000\n" in done.stdout and "Kafka       127.0.0.1:29092\n" in done.stdout
    assert UP in machine.asked()


def test_without_the_plugin_it_is_named(tmp_path: Path) -> None:
    answers = good()
    del answers["compose version --short"]
    done = Machine(tmp_path, answers).run("up")
    assert done.returncode == 1 and f"install Docker's plugin compose {MINIMUM} or newer" in done.stderr


def test_an_engine_that_does_not_run_is_told(tmp_path: Path) -> None:
    machine = Machine(tmp_path, good(info="exit 1"))
    done = machine.run("up")
    assert done.returncode == 1 and done.stderr.startswith("error: Docker's engine does not answer: start it")
    assert UP not in machine.asked()


def test_where_a_port_is_taken_every_port_s_variable_is_named(tmp_path: Path) -> None:
    said = "Bind for 127.0.0.1:3000 failed: port is already allocated"
    done = Machine(tmp_path, good(**{UP: f"echo '{said}' >&2; exit 1"})).run("up")
    assert done.returncode == 1 and said in done.stderr
    for door in doors().values():
        assert f"    {door.variable}={door.host}\n" in done.stderr
    assert "then run `make compose-up` again" in done.stderr


def test_down_takes_the_volumes_too(tmp_path: Path) -> None:
    machine = Machine(tmp_path, good())
    assert machine.run("down").returncode == 0
    assert machine.asked()[-1] == DOWN


@pytest.mark.parametrize("what", ["up", "down"])
def test_make_runs_the_script_alone_without_an_environment_of_python_s(what: str) -> None:
    command = ["make", "-C", str(ROOT), "--no-print-directory", "-n", f"compose-{what}"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == f"infra/compose/compose.sh {what}\n"


def test_the_script_has_no_fault_that_shellcheck_knows() -> None:
    shellcheck = Path(sys.executable).parent / "shellcheck"
    done = subprocess.run([str(shellcheck), str(SCRIPT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout

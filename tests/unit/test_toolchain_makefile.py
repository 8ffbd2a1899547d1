"""The Makefile: a menu by itself, and thin lines that pass the stack on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from infra.paths import ROOT

TARGETS = ["up", "demo", "down", "logs", "status", "doctor", "migrate", "backfill", "audit", "test", "lint", "bench"]


def make(*arguments: str) -> str:
    """What `make` prints; with -n, the commands that it would run."""
    done = subprocess.run(["make", "-C", str(ROOT), "--no-print-directory", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_alone_it_prints_every_target_and_runs_nothing() -> None:
    lines = make().splitlines()
    assert [line.split()[1] for line in lines if line.split()[1] in TARGETS] == TARGETS
    assert all(line.startswith("  make ") for line in lines)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_sets_up_the_environment_first(target: str) -> None:
    assert make("-n", target).splitlines()[0] == "infra/local/toolchain/environment.sh"


def test_the_stack_and_its_ports_are_passed_on() -> None:
    assert ".venv/bin/telemetry up --name local\n" in make("-n", "up")
    assert ".venv/bin/telemetry up --name two --port-base 14000\n" in make("-n", "up", "NAME=two", "PORT_BASE=14000")
    assert ".venv/bin/telemetry down --name two\n" in make("-n", "down", "NAME=two")


def test_ci_runs_what_the_readme_says() -> None:
    assert "exec make test\n" in (ROOT / ".ci" / "run").read_text()
    steps = (
        ".venv/bin/telemetry tools\n",
        ".venv/bin/ruff check && ",
        ".venv/bin/python -m tests.go_programs\n",
        ".venv/bin/pyright ",
        ".venv/bin/pytest -n 3 tests;",
    )
    said = make("-n", "test")
    assert sorted(steps, key=said.index) == list(steps)


@pytest.mark.parametrize(("failing", "code"), [("", 0), ("pytest", 2), ("pyright", 2)])
def test_a_test_run_fails_with_its_tests_and_with_its_types(failing: str, code: int, tmp_path: Path) -> None:
    for name in ("ruff", "telemetry", "python", "pytest", "pyright"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {name} has run\nexit {int(name == failing)}\n")
        program.chmod(0o755)
    command = ["make", "-C", str(ROOT), "--no-print-directory", "test", f"BIN={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert done.stdout.splitlines()[-2:] == ["pytest has run", "pyright has run"]


def test_modules_are_compiled_once_whatever_the_environment_says(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(f'include {ROOT}/Makefile\nshown:\n\t@echo "[$$PYTHONDONTWRITEBYTECODE]"\n')
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    command = ["make", "-C", str(tmp_path), "--no-print-directory", "shown"]
    assert subprocess.run(command, capture_output=True, text=True, env=environment).stdout == "[]\n"

"""A forked process does what the same words after `python -u -m` would have done, and ends as that one would have."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from infra.local.supervisor import wait_for
from infra.paths import ROOT
from tests.forks import command
from tests.ports import free_port

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def fork_of(module: str, *arguments: str, **options: object) -> subprocess.Popen[str]:
    script = f'exec {command(("json",), module)} "$@"'
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(["sh", "-c", script, "sh", *arguments], text=True, env=ENVIRONMENT, **(pipes | options))  # type: ignore[call-overload]


@pytest.mark.parametrize(("given", "code", "said"), [('{"a":1}', 0, '{"a": 1}\n'), ("{", 1, "")])
def test_streams_arguments_folder_and_exit_code_are_its_own(given: str, code: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text(given)
    running = fork_of("json.tool", "--no-indent", "in.json", cwd=tmp_path)
    printed, complained = running.communicate(timeout=30)
    assert (running.returncode, printed) == (code, said)
    assert ("Expecting property name" in complained) == bool(code)


@pytest.fixture
def port() -> int:
    return free_port()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_it_ends_when_it_is_interrupted_and_when_it_is_killed(how: signal.Signals, code: int, port: int) -> None:
    running = fork_of("http.server", "--bind", "127.0.0.1", str(port))
    assert wait_for(lambda: listens(port), 30)
    running.send_signal(how)
    assert running.wait(30) == code
    assert wait_for(lambda: not listens(port), 30)


def test_it_ends_with_whoever_started_it(port: int) -> None:
    script = f"{command(('json',), 'http.server')} --bind 127.0.0.1 {port}; true"
    starter = subprocess.Popen(
        ["sh", "-c", script], env=ENVIRONMENT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    assert wait_for(lambda: listens(port), 30)
    starter.kill()
    starter.wait(30)
    assert wait_for(lambda: not listens(port), 30)

"""A supervised process of this machine: when it counts as ready."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.errors import UserError
from infra.local import ports, process
from infra.local.supervisor import Control
from tests.ports import free_port

LISTEN = "import socket, sys, time; held = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """A stack's run folder, whose supervisor ends with the test."""
    yield tmp_path
    Control(tmp_path).shutdown()


def props(run: Path, script: str, port: int, seconds: int) -> dict[str, Any]:
    return {
        "run": str(run),
        "command": [sys.executable, "-c", script, str(port)],
        "ports": {"kafkaPort": port},
        "ready_url": "",
        "ready_seconds": seconds,
        "files": {},
        "environment": {},
        "stop_seconds": 1,
    }


def test_a_process_is_ready_when_it_listens_itself(run: Path) -> None:
    process.start("kafka", props(run, LISTEN, free_port(), 30))
    assert Control(run).processes()["kafka"]["statename"] == "RUNNING"


def test_another_stack_s_answer_on_its_port_is_not_its_own(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Both found the port free: neither listened yet.
    monkeypatch.setattr(process, "check_ports", lambda ports: None)
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(UserError, match="kafka was not ready"):
        process.start("kafka", props(run, "import time; time.sleep(60)", other.getsockname()[1], 3))
    assert "kafka" not in Control(run).processes()


def test_what_ends_each_time_is_given_up_before_its_time_is_over(run: Path) -> None:
    """It lives for longer than the second after which supervisor takes it for started, and starts it again for ever."""
    script = "import sys, time; print('no quorum'); sys.stdout.flush(); time.sleep(1.2); sys.exit(1)"
    with pytest.raises(UserError, match=r"kafka gave up\.") as caught:
        process.start("kafka", props(run, script, free_port(), 300))
    assert "no quorum" in str(caught.value)
    assert "kafka" not in Control(run).processes()


def test_who_ends_while_it_is_looked_at_still_had_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(pid: int) -> psutil.Process:
        raise psutil.NoSuchProcess(pid)

    with socket.create_server(("127.0.0.1", 0)) as held:
        monkeypatch.setattr(ports.psutil, "Process", gone)
        assert ports.port_holder(held.getsockname()[1]) == "another process"

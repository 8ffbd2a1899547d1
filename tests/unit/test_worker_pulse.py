"""The worker's pulse in its log, and its configuration from a variable, as a container gets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from infra.errors import UserError
from infra.worker.config import config_from_environment
from infra.worker.pulse import Pulse

CONFIG = {
    "kafka": {"bootstrap_servers": "127.0.0.1:1"},
    "kafka_access": {"class": "infra.endpoints:NoSignIn", "args": {}},
    "clickhouse": {"host": "127.0.0.1", "port": 1},
    "clickhouse_access": {"class": "infra.endpoints:Direct", "args": {}},
    "otlp": {"http_url": "http://127.0.0.1:1", "grpc_target": "127.0.0.1:1"},
    "otlp_access": {"class": "infra.endpoints:NoCredential", "args": {}},
    "metrics_access": {"class": "infra.endpoints:OnePage", "args": {"name": "a", "url": "http://127.0.0.1:1/"}},
    "settings": {},
}


def figures(pulse: Pulse) -> dict[str, float]:
    """Step to the seconds since it was done."""
    said = [json.loads(line) for line in pulse.lines()]
    return {line["Step"]: line["StepSecondsSinceDone"] for line in said if "Step" in line}


def test_a_step_that_is_never_done_grows_older_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pulse = Pulse(["audit", "canary"])
    now[0] += 90
    pulse.done("canary", 1.5)
    now[0] += 30
    assert figures(pulse) == {"audit": 120, "canary": 30}
    [canary] = [line for line in map(json.loads, pulse.lines()) if line.get("Step") == "canary"]
    assert canary["StepFigure"] == 1.5


def test_nothing_is_said_where_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("METRIC_NAMESPACE", raising=False)
    Pulse(["audit"]).run(threading.Event(), 0.001)
    assert capsys.readouterr().out == ""


def test_the_container_speaks_at_once_and_with_servers_that_are_away() -> None:
    environment = {**os.environ, "WORKER_CONFIG": json.dumps(CONFIG), "METRIC_NAMESPACE": "stack/tasks"}
    command = [sys.executable, "-m", "infra.worker", "--config-env", "WORKER_CONFIG"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        first = json.loads(next(line for line in lines if line.startswith("{")))
        assert first["WorkerHeartbeat"] == 1 and first["Part"] == "worker"
        [metrics] = first["_aws"]["CloudWatchMetrics"]
        assert metrics["Namespace"] == "stack/tasks" and metrics["Dimensions"] == [["Part"]]
        assert abs(first["_aws"]["Timestamp"] / 1000 - time.time()) < 60
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("text", [None, "{}", "not json"])
def test_a_broken_variable_is_named(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    monkeypatch.delenv("WORKER_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("WORKER_CONFIG", text)
    with pytest.raises(UserError, match=r"\$WORKER_CONFIG.*telemetry up"):
        config_from_environment("WORKER_CONFIG")

"""The worker as the process that is deployed: it repairs by itself, records what it found and outlives its servers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Producer

from infra.endpoints import (
    ClickHouseAddress,
    Direct,
    KafkaAddress,
    NoCredential,
    NoSignIn,
    OnePage,
    OtlpAddress,
    access_input,
)
from infra.settings import parse_settings
from tests.pipeline.clickhouse_front import Front
from tests.pipeline.worker_front import front_with_the_schema  # noqa: F401
from tests.pipeline.worker_world import (
    client_of,
    deliver,
    expected,
    make_spans,
    rows,
    shown,
)


@pytest.fixture(scope="module")
def kafka() -> Iterator[str]:
    """A mock broker with both topics, empty."""
    producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    for topic in ("otel-spans", "otel-events"):
        producer.list_topics(topic, timeout=5)
    broker = next(iter(producer.list_topics(timeout=5).brokers.values()))
    yield f"{broker.host}:{broker.port}"
    producer.flush(1)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def start(folder: Path, front: Front, kafka: str, log: IO[str]) -> subprocess.Popen[str]:
    settings = parse_settings({"workerRecomputeSeconds": 1, "workerAuditSeconds": 5, "workerCanarySeconds": 5}, "test")
    values = {
        "kafka": asdict(KafkaAddress(kafka)),
        "clickhouse": asdict(ClickHouseAddress("127.0.0.1", front.port)),
        "kafka_access": access_input(NoSignIn),
        "clickhouse_access": access_input(Direct),
        "otlp": asdict(OtlpAddress("http://127.0.0.1:1", "127.0.0.1:1")),
        "otlp_access": access_input(NoCredential),
        "metrics_access": access_input(OnePage, name="collector", url="http://127.0.0.1:1/metrics"),
        "settings": settings.model_dump(),
    }
    file = folder / "worker.json"
    file.write_text(json.dumps(values))
    command = [sys.executable, "-m", "infra.worker", "--config", str(file)]
    return subprocess.Popen(command, stdout=log, stderr=log, text=True)


def results(client: Client, step: str, ok: bool) -> int:
    query = f"SELECT count() FROM telemetry.worker_results WHERE step = '{step}' AND ok = {ok}"
    return int(rows(client, query)[0][0])


def test_it_repairs_and_records_by_itself_and_outlives_a_server_that_went_away(
    front: Front, kafka: str, tmp_path: Path
):
    first = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=1)
    before, after = make_spans(300, 2, first), make_spans(300, 2, first, seed=2)
    with (tmp_path / "log").open("w") as log:
        worker = start(tmp_path, front, kafka, log)
        try:
            with client_of(front.port) as client:
                deliver(client, [*before, *before[:50]])
                until(lambda: shown(client) == expected(before))
                until(lambda: results(client, "recompute", True) > 0 and results(client, "audit", True) > 0)
            front.stop(signal.SIGKILL)
            until(lambda: "recompute: failed and will be tried again" in (tmp_path / "log").read_text())
            front.start()
            with client_of(front.port) as client:
                deliver(client, [*after, *after[:50]])
                until(lambda: shown(client) == expected([*before, *after]))
                # There is no collector: the canary says so and holds up nobody.
                until(lambda: results(client, "canary", False) > 0)
            assert worker.poll() is None
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(20) == 0, "supervisor kills it after its stop_seconds"
        finally:
            worker.kill()
            worker.wait()
    assert "Traceback" not in (tmp_path / "log").read_text()

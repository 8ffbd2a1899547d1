"""The collector's AWS configuration against a real broker that speaks SASL_SSL with SCRAM-SHA-512, as MSK does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from infra import otlp
from infra.aws.collector import place
from infra.collector_config import collector_config
from infra.local.toolchain import ensure
from infra.settings import Settings, parse_settings
from infra.tenants import KeyFile, add
from tests.pipeline.otlp_messages import span, traces
from tests.pipeline.scram_broker import PASSWORD, USER, Broker, scram_broker
from tests.ports import free_ports


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with scram_broker(tmp_path_factory.mktemp("broker")) as found:
        yield found


@dataclass(frozen=True)
class Door:
    """A running collector."""

    url: str
    headers: dict[str, str]


@contextmanager
def collector(broker: Broker, folder: Path, password: str) -> Iterator[Door]:
    """The real collector with AWS's configuration as ECS gives it: by environment, secrets in variables."""
    names = ("otlpGrpcPort", "otlpHttpPort", "collectorHealthPort", "collectorMetricsPort")
    ports = dict(zip(names, free_ports(4), strict=True))
    given = {"platform": "aws", "collectorAuth": "jwt", "collectorZoneId": "Z1", "grafanaMode": "none", **ports}
    settings: Settings = parse_settings(given, "test")
    keys = KeyFile(folder / "jwks.json")
    _, token = add(keys, ["acme"], days=1)
    here = replace(place(settings), bind="127.0.0.1", jwks_file=str(keys.path))
    environment = {
        **os.environ,
        "OTEL_CONFIG": collector_config(settings, broker.servers, here),
        "KAFKA_USERNAME": USER,
        "KAFKA_PASSWORD": password,
        "SSL_CERT_FILE": str(broker.ca),
    }
    command = [str(ensure(["collector"]).collector), "--config=env:OTEL_CONFIG"]
    log = folder / "collector.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stderr=out)
    try:
        while b"Everything is ready" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
        yield Door(f"http://127.0.0.1:{ports['otlpHttpPort']}", {"Authorization": f"Bearer {token}"})
    finally:
        process.terminate()
        process.wait(timeout=30)
    assert password not in log.read_text()


def body() -> bytes:
    return traces(None, span("checkout")).SerializeToString()


def test_an_acknowledged_span_is_in_a_kafka_that_asks_for_a_password(broker: Broker, tmp_path: Path) -> None:
    with collector(broker, tmp_path, PASSWORD) as door:
        otlp.send(door.url, body(), headers=door.headers)
    consumer = Consumer({**broker.properties(), "group.id": "test", "enable.auto.commit": False})
    consumer.assign([TopicPartition("otel-spans", 0, 0)])
    message = consumer.poll(30)
    consumer.close()
    assert message is not None and message.error() is None
    stored = ExportTraceServiceRequest.FromString(message.value() or b"")
    [resource] = stored.resource_spans
    attributes = {item.key: item.value.string_value for item in resource.resource.attributes}
    assert attributes["tenant.id"] == "acme"
    assert resource.scope_spans[0].spans[0].name == "checkout"


def test_with_a_wrong_password_the_answer_is_one_that_clients_retry(broker: Broker, tmp_path: Path) -> None:
    with collector(broker, tmp_path, "wrong-password") as door:
        with pytest.raises(otlp.OtlpRefused) as refused:
            otlp.send(door.url, body(), headers=door.headers)
        assert refused.value.status == 503

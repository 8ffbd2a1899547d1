"""The collector's configuration on AWS against the real collector: it validates, starts, and passes the load balancer's
health checks."""

from __future__ import annotations

import itertools
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from infra.aws.collector import place
from infra.collector import memory_limit_mib
from infra.collector_config import collector_config
from infra.guard import versions
from infra.images import image_reference
from infra.local.toolchain import ensure
from infra.local.toolchain.versions import version_of
from infra.settings import Settings
from infra.tenants import KeyFile
from tests.ports import free_port
from tests.unit.aws.ecs_stack import settings

BROKERS = "b-1.msk.example.com:9096,b-2.msk.example.com:9096"
ENVIRONMENT = {**os.environ, "KAFKA_USERNAME": "collector", "KAFKA_PASSWORD": "12345678"}
"""A password of digits alone: what stands in the variable is a text and nothing else."""


def config_of(chosen: Settings, keys: Path, **more: Any) -> str:
    return collector_config(chosen, BROKERS, replace(place(chosen), jwks_file=str(keys), **more))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    KeyFile(tmp_path / "jwks.json").ensure()
    return tmp_path / "jwks.json"


@pytest.mark.parametrize(
    ("auth", "encoding", "size"),
    itertools.product(["scram", "iam"], ["otlp_proto", "otlp_json"], [(256, 512), (4096, 30720)]),
)
def test_the_real_collector_validates_it(auth: str, encoding: str, size: tuple[int, int], keys: Path) -> None:
    cpu, memory = size
    chosen = settings(kafkaAuth=auth, kafkaEncoding=encoding, collectorCpu=cpu, collectorMemoryMiB=memory)
    environment = {**ENVIRONMENT, "OTEL_CONFIG": config_of(chosen, keys)}
    program = ensure(["collector"]).collector
    done = subprocess.run(
        [str(program), "validate", "--config=env:OTEL_CONFIG"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_it_signs_in_over_tls_and_holds_no_credential(keys: Path) -> None:
    text = config_of(settings(), keys)
    kafka = yaml.safe_load(text)["exporters"]["kafka"]
    assert kafka["tls"] == {"insecure": False}
    assert kafka["auth"]["sasl"] == {
        "mechanism": "SCRAM-SHA-512",
        "username": "${env:KAFKA_USERNAME}",
        "password": "${env:KAFKA_PASSWORD}",
    }
    iam = yaml.safe_load(config_of(settings(kafkaAuth="iam"), keys))["exporters"]["kafka"]
    assert iam["auth"]["sasl"] == {"mechanism": "AWS_MSK_IAM_OAUTHBEARER", "aws_msk": {"region": "eu-central-1"}}


def test_its_limits_follow_the_tasks_memory(keys: Path) -> None:
    limits = yaml.safe_load(config_of(settings(collectorMemoryMiB=2048), keys))["processors"]["memory_limiter"]
    assert limits["limit_mib"] == memory_limit_mib(2048) < 2048 - 160


def test_the_image_is_the_version_that_local_builds() -> None:
    assert versions()["deployed"]["collector-image"]["version"] == version_of("collector")
    assert image_reference("collector-image").endswith(f"contrib:{version_of('collector')}")


@pytest.fixture
def running(keys: Path) -> Iterator[dict[str, int]]:
    """The real collector with AWS's configuration, on loopback; no broker answers."""
    ports = {
        name: free_port() for name in ("otlpGrpcPort", "otlpHttpPort", "collectorHealthPort", "collectorMetricsPort")
    }
    environment = {**ENVIRONMENT, "OTEL_CONFIG": config_of(settings(**ports), keys, bind="127.0.0.1")}
    command = [str(ensure(["collector"]).collector), "--config=env:OTEL_CONFIG"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    try:
        while "Everything is ready" not in (line := process.stderr.readline()):
            assert line, "the collector ended"
        yield ports
    finally:
        process.terminate()
        process.stderr.read()
        assert process.wait(timeout=30) == 0


def test_the_load_balancers_health_checks_pass_and_nobody_gets_in_without_a_token(running: dict[str, int]) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{running['collectorHealthPort']}/", timeout=10) as answer:
        assert answer.status == 200
    with grpc.insecure_channel(f"127.0.0.1:{running['otlpGrpcPort']}") as channel:
        check = channel.unary_unary("/AWS.ALB/healthcheck", lambda _: b"", lambda data: data)
        with pytest.raises(grpc.RpcError) as refused:
            check(None, timeout=10)
    assert refused.value.code().value[0] in (12, 16)  # pyright: ignore[reportAttributeAccessIssue]
    request = urllib.request.Request(
        f"http://127.0.0.1:{running['otlpHttpPort']}/v1/traces", b"", {"Content-Type": "application/x-protobuf"}
    )
    with pytest.raises(urllib.error.HTTPError) as unauthorized:
        urllib.request.urlopen(request, timeout=10)
    assert unauthorized.value.code == 401

"""The collector as its Deployment runs it (arguments, environment, files, times), against a broker that asks for a password:
stopped under load, everything that it has acknowledged is in Kafka."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography.hazmat.primitives import serialization
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from infra import otlp
from infra.collector import STOP_SECONDS
from infra.collector_config import collector_config
from infra.kubernetes.collector import place
from infra.kubernetes.pods import CONFIG_FILE, CONFIG_FOLDER, deployment
from infra.local.toolchain import ensure
from infra.tenants import KeyFile, add
from tests.pipeline.otlp_messages import span, traces
from tests.pipeline.scram_broker import PASSWORD, USER, Broker, certificate, scram_broker
from tests.ports import free_ports
from tests.unit.kubernetes.cluster_stack import needs, settings

PORTS = ("otlpGrpcPort", "otlpHttpPort", "collectorHealthPort", "collectorMetricsPort")
CLIENTS = 4


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with scram_broker(tmp_path_factory.mktemp("broker")) as found:
        yield found


@dataclass
class Pod:
    """A running collector, in a folder in place of the pod's volumes."""

    process: subprocess.Popen[bytes]
    http: str
    grpc: str
    ca: Path
    headers: dict[str, str]
    grace_seconds: int
    sleep_seconds: int

    def end(self) -> float:
        """As a kubelet ends it once the sleep before is over; seconds until it was gone. It is never killed."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=self.grace_seconds - self.sleep_seconds)
        assert code == 0, code
        return time.monotonic() - began


@contextmanager
def pod(broker: Broker, folder: Path, user: str = USER, password: str = PASSWORD) -> Iterator[Pod]:
    """The collector with the files that the side program and Kubernetes would bring."""
    ports = dict(zip(PORTS, free_ports(4), strict=True))
    chosen = replace(needs(settings(**ports)), kafka_files={key: str(folder / key) for key in ("username", "password")})
    keys = KeyFile(folder / "jwks.json")
    _, token = add(keys, ["acme"], days=1)
    (folder / "username").write_text(user)
    (folder / "password").write_text(password)
    store, ca = certificate(folder)
    key = serialization.load_pem_private_key(store.read_bytes(), None)
    written = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "tls.key").write_bytes(written)
    (folder / "tls.crt").write_bytes(ca.read_bytes())
    trusted = folder / "trusted.pem"
    trusted.write_bytes(ca.read_bytes() + broker.ca.read_bytes())

    here = replace(place(chosen), bind="127.0.0.1", jwks_file=str(keys.path), tls_folder=str(folder))
    (folder / CONFIG_FILE).write_text(collector_config(chosen.settings, broker.servers, here))
    spec: dict[str, Any] = deployment(chosen, "config")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    arguments = [word.replace(CONFIG_FOLDER, str(folder)) for word in container["args"]]
    environment = {item["name"]: item["value"] for item in container["env"]}
    log = folder / "collector.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(ensure(["collector"]).collector), *arguments],
            env={**environment, "SSL_CERT_FILE": str(trusted), "PATH": os.environ["PATH"]},
            stderr=out,
        )
    try:
        while b"Everything is ready" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
        yield Pod(
            process,
            f"https://127.0.0.1:{ports['otlpHttpPort']}",
            f"127.0.0.1:{ports['otlpGrpcPort']}",
            trusted,
            {"Authorization": f"Bearer {token}"},
            spec["terminationGracePeriodSeconds"],
            container["lifecycle"]["preStop"]["sleep"]["seconds"],
        )
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=60)
    assert PASSWORD not in log.read_text()


def _same(data: bytes) -> bytes:
    return data


@dataclass
class Load:
    """Clients that send without a pause, over both protocols, until nobody answers any more."""

    pod: Pod
    sent: set[bytes] = field(default_factory=set)
    acknowledged: set[bytes] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    under_way: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def request(self) -> tuple[set[bytes], bytes]:
        spans = [span("load") for _ in range(20)]
        return {item.span_id for item in spans}, traces(None, *spans).SerializeToString()

    def client(self, over_grpc: bool) -> None:
        send = self._grpc if over_grpc else self._http
        while True:
            ids, body = self.request()
            with self.lock:
                self.sent |= ids
                self.under_way += 1
            try:
                if not send(body):
                    return
                with self.lock:
                    self.acknowledged |= ids
            finally:
                with self.lock:
                    self.under_way -= 1

    def _http(self, body: bytes) -> bool:
        try:
            otlp.send(self.pod.http, body, headers=self.pod.headers, timeout=30)
        except otlp.OtlpRefused as refused:
            if not refused.retryable:
                self.wrong.append(str(refused))
            return False
        return True

    def _grpc(self, body: bytes) -> bool:
        credentials = grpc.ssl_channel_credentials(self.pod.ca.read_bytes())
        with grpc.secure_channel(self.pod.grpc, credentials) as channel:
            export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export", _same, _same)
            metadata = tuple((key.lower(), text) for key, text in self.pod.headers.items())
            try:
                export(body, metadata=metadata, timeout=30)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:  # pyright: ignore[reportAttributeAccessIssue]
                    self.wrong.append(str(error))
                return False
            return True

    @contextmanager
    def running(self) -> Iterator[Load]:
        threads = [threading.Thread(target=self.client, args=(number % 2 == 0,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        yield self
        for thread in threads:
            thread.join(timeout=60)
        assert not any(thread.is_alive() for thread in threads) and self.wrong == []

    def until(self, enough: Any) -> None:
        deadline = time.monotonic() + 60
        while not enough():
            assert time.monotonic() < deadline and not self.wrong, self.wrong
            time.sleep(0.01)


def in_kafka(broker: Broker) -> set[bytes]:
    """The ids of all spans in the topic."""
    consumer = Consumer({**broker.properties(), "group.id": "test", "enable.auto.commit": False})
    partition = TopicPartition("otel-spans", 0, 0)
    consumer.assign([partition])
    _, end = consumer.get_watermark_offsets(partition, timeout=30)
    found: set[bytes] = set()
    position = 0
    while position < end:
        message = consumer.poll(30)
        assert message is not None and message.error() is None
        position = (message.offset() or 0) + 1
        request = ExportTraceServiceRequest.FromString(message.value() or b"")
        found |= {item.span_id for one in request.resource_spans for scope in one.scope_spans for item in scope.spans}
    consumer.close()
    return found


@pytest.fixture(autouse=True)
def trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process's HTTPS trusts what the folder holds once the pod has written it."""
    monkeypatch.setattr(
        ssl, "_create_default_https_context", lambda: ssl.create_default_context(cafile=tmp_path / "trusted.pem")
    )


def test_stopped_under_load_all_that_it_acknowledged_is_in_kafka(broker: Broker, tmp_path: Path) -> None:
    with pod(broker, tmp_path) as found, Load(found).running() as load:
        load.until(lambda: len(load.acknowledged) > 400)
        before = len(load.acknowledged)
        # The sleep before: it is on its way out, and still takes what arrives.
        load.until(lambda: len(load.acknowledged) > before + 400)
        assert found.end() < STOP_SECONDS
    assert load.acknowledged <= in_kafka(broker)


def test_stopped_while_kafka_is_slow_it_gives_its_answers_first(broker: Broker, tmp_path: Path) -> None:
    with pod(broker, tmp_path) as found, Load(found).running() as load:
        load.until(lambda: len(load.acknowledged) > 200)
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            load.until(lambda: load.under_way == CLIENTS)
            known = set(load.acknowledged)
            timer = threading.Timer(1.0, os.kill, (broker.pid, signal.SIGCONT))
            timer.start()
            took = found.end()
            timer.join()
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        assert took < STOP_SECONDS
    assert load.acknowledged > known, "what was under way when it was told to stop has been answered"
    assert load.acknowledged <= in_kafka(broker)


@pytest.mark.parametrize("password", ["0123456789", "true", "a: b", "[1, 2]", "# x", "{x"])
def test_a_password_is_a_text_whatever_it_looks_like(broker: Broker, tmp_path: Path, password: str) -> None:
    how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    change = UserScramCredentialUpsertion("given", how, password.encode())
    admin = AdminClient(dict(broker.properties()))
    admin.alter_user_scram_credentials([change])["given"].result(timeout=60)
    with pod(broker, tmp_path, "given", password) as found:
        otlp.send(found.http, Load(found).request()[1], headers=found.headers)

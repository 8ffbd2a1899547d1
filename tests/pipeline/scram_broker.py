"""A real broker that speaks SASL_SSL with SCRAM-SHA-512, as MSK does."""

from __future__ import annotations

import datetime
import ipaddress
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from infra.local.toolchain import ensure
from tests.ports import free_ports

USER, PASSWORD = "collector", "0123456789"
"""A password of digits alone: it must stay a text all the way."""


@dataclass(frozen=True)
class Broker:
    """One broker that takes nobody without a password."""

    servers: str
    ca: Path
    pid: int

    def properties(self) -> dict[str, str | int | float | bool]:
        return {
            "bootstrap.servers": self.servers,
            "security.protocol": "sasl_ssl",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": USER,
            "sasl.password": PASSWORD,
            "ssl.ca.location": str(self.ca),
        }


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for the loopback address, its own CA: the broker's key store, and what clients trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "broker.pem").write_bytes(private + pem)
    (folder / "ca.pem").write_bytes(pem)
    return folder / "broker.pem", folder / "ca.pem"


@contextmanager
def scram_broker(folder: Path) -> Iterator[Broker]:
    """A broker with the topics, whose files are in the folder."""
    tools = ensure(["kafka"])
    store, ca = certificate(folder)
    outside, inside, controller = free_ports(3)
    listeners = f"SASL_SSL://127.0.0.1:{outside},INSIDE://127.0.0.1:{inside}"
    (folder / "server.properties").write_text(
        f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listeners}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,INSIDE:PLAINTEXT,SASL_SSL:SASL_SSL
inter.broker.listener.name=INSIDE
listener.name.sasl_ssl.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={store}
log.dirs={folder / "data"}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
message.max.bytes=20000000
"""
    )
    java = [str(tools.java), "-Xmx384m", "-cp", tools.kafka_classpath]
    user = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
    config = str(folder / "server.properties")
    formatted = ("kafka.tools.StorageTool", "format", "--cluster-id", "AbcdefghijklmnopqrstuQ", "--config", config)
    subprocess.run([*java, *formatted, "--add-scram", user], check=True, capture_output=True)
    log = (folder / "broker.log").open("wb")
    process = subprocess.Popen([*java, "kafka.Kafka", config], stdout=log, stderr=subprocess.STDOUT)
    found = Broker(f"127.0.0.1:{outside}", ca, process.pid)
    try:
        admin = AdminClient({**found.properties(), "log_level": 0})
        topics = [
            NewTopic(name, 1, 1, config={"max.message.bytes": "20000000"}) for name in ("otel-spans", "otel-events")
        ]
        for future in admin.create_topics(topics, operation_timeout=60, request_timeout=60).values():
            future.result(timeout=90)
        yield found
    finally:
        process.terminate()
        process.wait(timeout=60)
        log.close()

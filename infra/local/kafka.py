"""Apache Kafka in KRaft mode on this machine: formatted storage, one supervised broker, a KafkaEndpoint out."""

from __future__ import annotations

import base64
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra.dynamic import plain_props
from infra.endpoints import KafkaEndpoint, NoSignIn, access_input
from infra.errors import UserError
from infra.kafka import message_max_bytes
from infra.local.folder import FolderProvider
from infra.local.process import Process, ProcessArgs, digest
from infra.local.toolchain import Toolchain
from infra.paths import CONFIGS
from infra.templates import render

if TYPE_CHECKING:  # pydantic: the dynamic provider, which imports this file, has no use for it
    from infra.settings import Settings


@dataclass(frozen=True)
class KafkaArgs:
    """What the local broker needs."""

    settings: Settings
    toolchain: Toolchain
    run: Path
    """Where supervisord and configuration files are."""
    data: Path
    """The broker's log directory."""


class KafkaStorageProvider(FolderProvider):
    """A folder formatted by Kafka's StorageTool. Inputs: path, java, classpath, properties (the server's)."""

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        moved = ["path"] if olds.get("path") != news["path"] else []
        changed = moved or any(olds.get(key) != news[key] for key in ("java", "classpath"))
        return DiffResult(changes=bool(changed), replaces=moved)

    def create(self, props: dict[str, Any]) -> CreateResult:
        data = Path(props["path"])
        data.mkdir(parents=True, exist_ok=True)
        if not (data / "meta.properties").exists():
            properties = data.with_suffix(".format.properties")
            properties.write_text(props["properties"])
            # Led by a letter: an id that begins with "-" would be read as an option.
            cluster = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
            done = subprocess.run(
                [
                    # It lives for a second: a compiler that optimises for hours costs half of that.
                    *(props["java"], "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
                    *("-cp", props["classpath"], "kafka.tools.StorageTool"),
                    *("format", "--cluster-id", cluster, "--config", str(properties)),
                ],
                capture_output=True,
                text=True,
            )
            properties.unlink()
            if done.returncode:
                raise UserError(f"Kafka could not format {data}:\n{done.stdout}{done.stderr}")
        return CreateResult(props["path"], plain_props(props))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        if not (Path(id_) / "meta.properties").exists():
            return ReadResult("", {})
        return ReadResult(id_, plain_props(props))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(plain_props(news))


class KafkaStorage(Resource, module="local", name="KafkaStorage"):
    """The broker's formatted log directory."""

    path: pulumi.Output[str]

    def __init__(self, name: str, path: Path, args: KafkaArgs, opts: pulumi.ResourceOptions | None = None):
        props = {
            "path": str(path),
            "java": str(args.toolchain.java),
            "classpath": args.toolchain.kafka_classpath,
            "properties": server_properties(args),
        }
        super().__init__(KafkaStorageProvider(), name, props, opts)


def server_properties(args: KafkaArgs) -> str:
    """The broker's configuration."""
    return render(
        CONFIGS / "kafka" / "server.properties",
        {
            "port": args.settings.kafkaPort,
            "controller_port": args.settings.kafkaControllerPort,
            "data": args.data,
            "message_max_bytes": message_max_bytes(args.settings),
        },
    )


class Kafka(pulumi.ComponentResource):
    """One broker on loopback. `endpoint` is where it listens."""

    endpoint: KafkaEndpoint
    fingerprint: pulumi.Output[str]

    def __init__(self, name: str, args: KafkaArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:local:Kafka", name, None, opts)
        settings, tools = args.settings, args.toolchain
        storage = KafkaStorage(f"{name}-storage", args.data, args, pulumi.ResourceOptions(parent=self))
        properties = args.run / "kafka.properties"
        broker = Process(
            f"{name}-broker",
            "kafka",
            ProcessArgs(
                run=args.run,
                command=[
                    *(str(tools.java), f"-Xmx{settings.kafkaHeapMiB}m", "-XX:+UseSerialGC"),
                    *(f"-Dlog4j2.configurationFile={tools.kafka_log_config}", "-cp", tools.kafka_classpath),
                    *("kafka.Kafka", str(properties)),
                ],
                ports={"kafkaPort": settings.kafkaPort, "kafkaControllerPort": settings.kafkaControllerPort},
                files={str(properties): server_properties(args)},
                version=tools.ids["kafka"],
                stop_seconds=30,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[storage]),
        )
        address = f"127.0.0.1:{settings.kafkaPort}"
        self.endpoint = KafkaEndpoint(
            bootstrap_servers=broker.process.apply(lambda _: address),
            security_protocol=pulumi.Output.from_input("PLAINTEXT"),
            access=access_input(NoSignIn),
        )
        self.fingerprint = pulumi.Output.from_input(digest(tools.ids["kafka"], server_properties(args)))
        self.register_outputs({"bootstrapServers": self.endpoint.bootstrap_servers})

"""The OpenTelemetry Collector on this machine: one supervised process, an OtlpEndpoint out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi

from infra.collector_config import CollectorPlace, collector_config
from infra.endpoints import KafkaEndpoint, NoCredential, OnePage, OtlpEndpoint, access_input
from infra.local.process import Process, ProcessArgs, digest
from infra.local.toolchain import Toolchain
from infra.settings import Settings
from infra.tenants import KeyListCredential

MEMORY_LIMIT_MIB = 1024
"""Above this the collector answers with a retryable refusal."""


@dataclass(frozen=True)
class CollectorArgs:
    """What the local collector needs."""

    settings: Settings
    toolchain: Toolchain
    kafka: KafkaEndpoint
    run: Path
    jwks: Path
    """The public keys of the live credentials; only read with collectorAuth jwt."""


class Collector(pulumi.ComponentResource):
    """One collector on loopback. `endpoint` is where it takes OTLP; `fingerprint` changes with its configuration."""

    endpoint: OtlpEndpoint
    fingerprint: pulumi.Output[str]

    def __init__(self, name: str, args: CollectorArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:local:Collector", name, None, opts)
        settings, tools = args.settings, args.toolchain
        file = args.run / "collector.yaml"
        place = CollectorPlace("127.0.0.1", str(args.jwks), MEMORY_LIMIT_MIB)
        config = args.kafka.bootstrap_servers.apply(lambda brokers: collector_config(settings, brokers, place))
        process = Process(
            f"{name}-process",
            "collector",
            ProcessArgs(
                run=args.run,
                command=[str(tools.collector), "--config", str(file)],
                ports={
                    "otlpGrpcPort": settings.otlpGrpcPort,
                    "otlpHttpPort": settings.otlpHttpPort,
                    "collectorHealthPort": settings.collectorHealthPort,
                    "collectorMetricsPort": settings.collectorMetricsPort,
                },
                ready_url=f"http://127.0.0.1:{settings.collectorHealthPort}/",
                files={str(file): config},
                environment={"GOMEMLIMIT": f"{MEMORY_LIMIT_MIB * 8 // 10}MiB"},
                version=tools.ids["collector"],
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.endpoint = OtlpEndpoint(
            http_url=process.process.apply(lambda _: f"http://127.0.0.1:{settings.otlpHttpPort}"),
            grpc_target=process.process.apply(lambda _: f"127.0.0.1:{settings.otlpGrpcPort}"),
            access=access_input(KeyListCredential, path=str(args.jwks))
            if settings.collectorAuth == "jwt"
            else access_input(NoCredential),
            metrics=access_input(
                OnePage, name="collector", url=f"http://127.0.0.1:{settings.collectorMetricsPort}/metrics"
            ),
        )
        self.fingerprint = config.apply(lambda text: digest(tools.ids["collector"], text))
        self.register_outputs({"httpUrl": self.endpoint.http_url, "grpcTarget": self.endpoint.grpc_target})

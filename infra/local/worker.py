"""The worker on this machine: the loop of infra/worker as a supervised process."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pulumi

from infra.endpoints import ClickHouseAddress, KafkaAddress, OtlpAddress, Parts, access_to_dict
from infra.local.process import Process, ProcessArgs
from infra.settings import Settings


@dataclass(frozen=True)
class WorkerArgs:
    """What the local worker needs."""

    settings: Settings
    run: Path
    parts: Parts


def worker_config(settings: Settings, parts: Parts) -> pulumi.Output[str]:
    """The worker's configuration file: addresses with their access, and settings. Holds no secret."""

    def write(values: dict[str, Any]) -> str:
        return json.dumps(
            {
                "kafka": asdict(KafkaAddress(values["bootstrap"], values["protocol"])),
                "clickhouse": asdict(ClickHouseAddress(**values["clickhouse"])),
                "clickhouse_access": access_to_dict(parts.clickhouse.access),
                "otlp": asdict(OtlpAddress(values["http"], values["grpc"])),
                "otlp_access": access_to_dict(parts.otlp.access),
                # Only its own: another setting's change must not restart it.
                "settings": {key: value for key, value in settings.model_dump().items() if key.startswith("worker")},
            },
            indent=1,
        )

    return pulumi.Output.all(
        bootstrap=parts.kafka.bootstrap_servers,
        protocol=parts.kafka.security_protocol,
        clickhouse=parts.clickhouse.address_inputs(),
        http=parts.otlp.http_url,
        grpc=parts.otlp.grpc_target,
    ).apply(write)


class Worker(pulumi.ComponentResource):
    """One worker process."""

    def __init__(self, name: str, args: WorkerArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:local:Worker", name, None, opts)
        file = args.run / "worker.json"
        Process(
            f"{name}-process",
            "worker",
            ProcessArgs(
                run=args.run,
                command=[sys.executable, "-m", "infra.worker", "--config", str(file)],
                ports={},
                files={str(file): worker_config(args.settings, args.parts)},
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})

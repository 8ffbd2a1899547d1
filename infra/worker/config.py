"""The worker's configuration file: addresses with their access, and the stack's settings. Holds no secret."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pulumi

from infra.endpoints import ClickHouseAddress, KafkaAddress, OtlpAddress, Parts, access_from_dict
from infra.errors import UserError
from infra.settings import Settings


@dataclass(frozen=True)
class WorkerConfig:
    """What the platform tells the worker."""

    kafka: KafkaAddress
    kafka_access: Any
    """infra.endpoints.KafkaAccess"""
    clickhouse: ClickHouseAddress
    clickhouse_access: Any
    """infra.endpoints.Access"""
    otlp: OtlpAddress
    otlp_access: Any
    """infra.endpoints.OtlpAccess"""
    settings: Settings


def read_config(path: Path) -> WorkerConfig:
    """The configuration in the file. Raises UserError when it is missing or not what the program writes."""
    try:
        return _parsed(path.read_text())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"worker configuration {path}: {error!r}; `telemetry up` writes this file anew") from None


def config_from_environment(name: str) -> WorkerConfig:
    """The same from a variable. Raises UserError when it is missing or not what the program writes."""
    try:
        return _parsed(os.environ[name])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"worker configuration ${name}: {error!r}; `telemetry up` sets it anew") from None


def _parsed(text: str) -> WorkerConfig:
    values = json.loads(text)
    return WorkerConfig(
        KafkaAddress(**values["kafka"]),
        access_from_dict(values["kafka_access"]),
        ClickHouseAddress(**values["clickhouse"]),
        access_from_dict(values["clickhouse_access"]),
        OtlpAddress(**values["otlp"]),
        access_from_dict(values["otlp_access"]),
        Settings.model_validate(values["settings"]),
    )


def written_config(settings: Settings, parts: Parts) -> pulumi.Output[str]:
    """The worker's configuration file: addresses with their access, and settings. Holds no secret."""

    def write(values: dict[str, Any]) -> str:
        return json.dumps(
            {
                "kafka": asdict(KafkaAddress(values["bootstrap"], values["protocol"])),
                "kafka_access": values["kafka_access"],
                "clickhouse": asdict(ClickHouseAddress(**values["clickhouse"])),
                "clickhouse_access": values["clickhouse_access"],
                "otlp": asdict(OtlpAddress(values["http"], values["grpc"])),
                "otlp_access": values["otlp_access"],
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
        kafka_access=parts.kafka.access,
        clickhouse_access=parts.clickhouse.access,
        otlp_access=parts.otlp.access,
    ).apply(write)

"""The worker's configuration file: addresses with their access, and the stack's settings. Holds no secret."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.endpoints import ClickHouseAddress, KafkaAddress, OtlpAddress, access_from_dict
from infra.errors import UserError
from infra.settings import Settings


@dataclass(frozen=True)
class WorkerConfig:
    """What the platform tells the worker."""

    kafka: KafkaAddress
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
        values = json.loads(path.read_text())
        return WorkerConfig(
            KafkaAddress(**values["kafka"]),
            ClickHouseAddress(**values["clickhouse"]),
            access_from_dict(values["clickhouse_access"]),
            OtlpAddress(**values["otlp"]),
            access_from_dict(values["otlp_access"]),
            Settings.model_validate(values["settings"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"worker configuration {path}: {error!r}; `telemetry up` writes this file anew") from None

"""The worker's configuration file: addresses with their access, and the stack's settings. Holds no secret."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pulumi

from infra.endpoints import AccessInput, ClickHouseAddress, KafkaAddress, OtlpAddress, Parts, access_from_dict
from infra.errors import UserError
from infra.settings import Settings
from infra.worker.budgets.config import Budget, budgets_of, written


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
    metrics_access: Any
    """infra.endpoints.MetricsAccess"""
    settings: Settings
    further_shards: tuple[Any, ...] = ()
    """infra.endpoints.Access of each of ClickHouse's shards from the second on, at the same address."""
    budgets: list[Budget] = field(default_factory=list)
    webhook_secret: Any = None
    """infra.webhook_secret.WebhookSecret: there when budgetWebhookUrl is."""


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
        access_from_dict(values["metrics_access"]),
        Settings.model_validate(values["settings"]),
        tuple(access_from_dict(access) for access in values.get("further_shards", [])),
        **_of_budgets(values),
    )


def _of_budgets(values: dict[str, Any]) -> dict[str, Any]:
    secret = values.get("webhook_secret")
    return {
        "budgets": [Budget.model_validate(budget) for budget in values.get("budgets", [])],
        "webhook_secret": access_from_dict(secret) if secret else None,
    }


OWN = ("worker", "budgetWebhookUrl", "env")
"""How the settings begin that the worker reads. Another setting's change must not restart it."""


def written_config(settings: Settings, parts: Parts, webhook_secret: AccessInput | None = None) -> pulumi.Output[str]:
    """The worker's configuration file: addresses with their access, settings, budgets. Holds no secret.

    `webhook_secret`: an infra.webhook_secret.WebhookSecret.
    """
    return pulumi.Output.all(
        bootstrap=parts.kafka.bootstrap_servers,
        protocol=parts.kafka.security_protocol,
        kafka_prefix=parts.kafka.prefix,
        clickhouse=parts.clickhouse.address_inputs(),
        http=parts.otlp.http_url,
        grpc=parts.otlp.grpc_target,
        webhook_secret=webhook_secret,
        kafka_access=parts.kafka.access,
        clickhouse_access=parts.clickhouse.access,
        otlp_access=parts.otlp.access,
        further_shards=[shard.access for shard in parts.further_shards],
        metrics_access=parts.otlp.metrics,
    ).apply(lambda values: config_text(settings, values))


def config_text(settings: Settings, values: Mapping[str, Any]) -> str:
    """The same from plain values. Raises UserError for budgets that can't be."""
    further = {"further_shards": values["further_shards"]} if values["further_shards"] else {}
    return json.dumps(
        {
            **further,
            "budgets": written(budgets_of(settings)),
            "webhook_secret": values["webhook_secret"],
            "kafka": asdict(KafkaAddress(values["bootstrap"], values["protocol"], values["kafka_prefix"])),
            "kafka_access": values["kafka_access"],
            "clickhouse": asdict(ClickHouseAddress(**values["clickhouse"])),
            "clickhouse_access": values["clickhouse_access"],
            "otlp": asdict(OtlpAddress(values["http"], values["grpc"])),
            "otlp_access": values["otlp_access"],
            "metrics_access": values["metrics_access"],
            "settings": {key: value for key, value in settings.model_dump().items() if key.startswith(OWN)},
        },
        indent=1,
    )

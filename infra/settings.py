"""The stack's settings: typed, with defaults and descriptions; Pulumi.yaml's config block is made from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from infra.errors import UserError

PORTS = {
    "kafkaPort": (9092, 92),
    "kafkaControllerPort": (9093, 93),
    "otlpGrpcPort": (4317, 17),
    "otlpHttpPort": (4318, 18),
    "clickhousePort": (8123, 23),
    "collectorHealthPort": (13133, 33),
    "collectorMetricsPort": (8888, 88),
}
"""A port's setting to its well-known number and its offset from portBase; used where the setting is 0."""


class Settings(BaseModel):
    """Every key of the stack's configuration, flat and camelCase as in Pulumi.<stack>.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    platform: Literal["local"] = Field("local", description="Who provides the parts. Built so far: local.")
    env: str = Field(
        "local",
        pattern=r"^[a-z0-9][a-z0-9-]{0,30}$",
        description="The environment's name; stamped on spans that bring no deployment.environment.name.",
    )
    portBase: int = Field(
        0, ge=0, le=65000, description="Ports that are 0 become portBase plus a fixed offset. 0: the well-known ones."
    )
    kafkaPort: int = Field(0, ge=0, le=65535, description="Kafka's listener, on loopback. 0: 9092, or by portBase.")
    kafkaControllerPort: int = Field(
        0, ge=0, le=65535, description="Kafka's KRaft controller listener, on loopback. 0: 9093, or by portBase."
    )
    otlpGrpcPort: int = Field(
        0, ge=0, le=65535, description="The collector's OTLP/gRPC port, on loopback. 0: 4317, or by portBase."
    )
    otlpHttpPort: int = Field(
        0, ge=0, le=65535, description="The collector's OTLP/HTTP port, on loopback. 0: 4318, or by portBase."
    )
    clickhousePort: int = Field(
        0, ge=0, le=65535, description="ClickHouse's HTTP interface, on loopback. 0: 8123, or by portBase."
    )
    collectorHealthPort: int = Field(
        0, ge=0, le=65535, description="The collector's health check, on loopback. 0: 13133, or by portBase."
    )
    collectorMetricsPort: int = Field(
        0, ge=0, le=65535, description="The collector's own metrics, on loopback. 0: 8888, or by portBase."
    )

    kafkaEncoding: Literal["otlp_proto", "otlp_json"] = Field(
        "otlp_proto",
        description="How the collector writes Kafka messages and ClickHouse reads them; switches both ends.",
    )
    kafkaPartitions: int = Field(6, ge=1, le=200, description="Partitions of otel-spans. Can be raised, never lowered.")
    kafkaRetentionHours: int = Field(
        72, ge=1, le=8760, description="How long Kafka keeps messages: the replay buffer, in hours."
    )
    kafkaConsumers: int = Field(1, ge=1, le=32, description="Kafka consumers of ClickHouse for otel-spans, a node.")
    kafkaFlushMs: int = Field(
        500,
        ge=50,
        le=60000,
        description="ClickHouse stores what it has read from Kafka at least this often, in milliseconds.",
    )

    collectorAuth: Literal["none", "jwt"] = Field(
        "none",
        description="none: tenant.id from the payload (loopback only). jwt: the tenant is stamped from the token.",
    )
    collectorBodyLimitMiB: int = Field(16, ge=1, le=64, description="Largest OTLP request that is taken, in MiB.")
    collectorAttributeLimitKiB: int = Field(
        2048, ge=1, le=16384, description="Longer attribute values are cut, marked and counted, in KiB."
    )

    retentionRawDays: int = Field(
        180, ge=1, le=3650, description="Raw spans, events, trace index and ledger are deleted after this many days."
    )
    retentionSlowDays: int = Field(
        30, ge=1, le=3650, description="Raw rows move to the volume `slow` after this many days."
    )
    retentionS3Days: int = Field(
        0, ge=0, le=3650, description="Raw rows move to the volume `s3` after this many days. 0: never."
    )
    retentionContentDays: int = Field(
        30, ge=1, le=3650, description="Prompts and completions are deleted after this many days."
    )
    retentionDeadLettersDays: int = Field(
        30, ge=1, le=3650, description="Dead letters are deleted after this many days."
    )
    retentionRollupsDays: int = Field(
        800, ge=1, le=3650, description="Rollups and runs are deleted after this many days."
    )
    contentTenants: list[str] = Field(
        [],
        description="Tenants whose prompts and completions are kept (in telemetry.content). '*': all. Others' are dropped at ingest.",
    )
    tenantRetentionDays: dict[str, int] = Field(
        {},
        description="Tenants whose raw rows are kept for another number of days than retentionRawDays; stamped at ingest.",
    )

    workerRecomputeSeconds: int = Field(
        5, ge=1, le=60, description="The worker looks for re-deliveries this often, in seconds."
    )
    workerAuditSeconds: int = Field(60, ge=5, le=3600, description="The worker's audit runs this often, in seconds.")
    workerCanarySeconds: int = Field(
        60, ge=5, le=3600, description="The worker sends its canary trace this often, in seconds."
    )
    kafkaHeapMiB: int = Field(512, ge=128, le=65536, description="The local broker's Java heap, in MiB.")

    @model_validator(mode="before")
    @classmethod
    def _ports(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        base = values.get("portBase", 0)
        if not isinstance(base, int):
            return values
        filled = {key: base + offset if base else known for key, (known, offset) in PORTS.items()}
        return filled | {key: value for key, value in values.items() if not (key in PORTS and value == 0)}

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        ports = [getattr(self, key) for key in PORTS]
        if len(set(ports)) != len(ports):
            raise ValueError(f"two ports are the same: {dict(zip(PORTS, ports, strict=True))}")
        if self.retentionSlowDays > self.retentionRawDays:
            raise ValueError("retentionSlowDays is above retentionRawDays: rows would be deleted before they move")
        if self.retentionS3Days and not self.retentionSlowDays <= self.retentionS3Days <= self.retentionRawDays:
            raise ValueError("retentionS3Days must lie between retentionSlowDays and retentionRawDays, or be 0")
        return self


def parse_settings(values: Mapping[str, Any], source: str) -> Settings:
    """Settings from typed values. `source` (a stack file's name) leads the error. Raises UserError."""
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as error:
        lines = []
        for item in error.errors():
            key = ".".join(str(part) for part in item["loc"]) or "settings"
            found = "" if item["type"] in ("extra_forbidden", "value_error") else f" (found {item['input']!r})"
            message = (
                "unknown setting" if item["type"] == "extra_forbidden" else item["msg"].removeprefix("Value error, ")
            )
            lines.append(f"{source}: {key}: {message}{found}")
        raise UserError("\n".join(lines)) from None

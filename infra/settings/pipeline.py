"""Settings of the pipeline itself, the same on every platform."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field


class PipelineSettings(BaseModel):
    """Encoding, limits, retention, the worker's rhythm."""

    platform: Literal["local", "aws"] = Field("local", description="Who provides the parts: this machine, or AWS.")
    env: str = Field(
        "local",
        pattern=r"^[a-z0-9][a-z0-9-]{0,30}$",
        description="The environment's name; stamped on spans that bring no deployment.environment.name.",
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
    tenantReaders: list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]] = Field(
        [],
        description="Tenants that get a ClickHouse user of their own, reader-<tenant>, who can only read and sees that tenant's rows alone; in the stack's Grafana also a folder, a data source and dashboards. Names without dots.",
    )
    tenantTeams: dict[str, str] = Field(
        {},
        description="Tenant of tenantReaders to the Grafana team that may look at its folder. Without one only Grafana's administrators do.",
    )
    workerBudgetSeconds: int = Field(
        5, ge=1, le=15, description="The worker looks at the budgets this often, in seconds."
    )
    budgetsFile: str = Field(
        "configs/budgets.yaml",
        min_length=1,
        description="The stack's budgets, from the repository's root: who is told when agents use more (docs/budgets.md).",
    )
    budgetWebhookUrl: str = Field(
        "",
        description="Who is told of budgets that are crossed: an https address, on this machine also http. Empty: nobody.",
    )
    workerRecomputeSeconds: int = Field(
        5, ge=1, le=60, description="The worker looks for re-deliveries this often, in seconds."
    )
    workerAuditSeconds: int = Field(60, ge=5, le=3600, description="The worker's audit runs this often, in seconds.")
    workerCanarySeconds: int = Field(
        60, ge=5, le=3600, description="The worker sends its canary trace this often, in seconds."
    )
    workerSampleSeconds: int = Field(
        15,
        ge=2,
        le=300,
        description="The worker samples the collectors' counters and Kafka's offsets this often, in seconds.",
    )

"""Settings of the platform `aws`: account, network, collector tasks, Grafana, worker, alarms; brokers and nodes beside it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from infra.settings.clickhouse import ClickHouseSettings
from infra.settings.kafka import KafkaSettings
from infra.settings.kubernetes import KubernetesSettings
from infra.settings.tls import TlsSettings

EXAMPLE_ACCOUNT = "123456789012"
"""Reserved example values (this account, the domain example.com) stand where only the account's owner knows better."""
EXAMPLE_DOMAIN = "example.com"


class StackSettings(BaseModel):
    """Account, tags and what holds for every part on AWS."""

    awsAccount: str = Field(
        EXAMPLE_ACCOUNT,
        pattern=r"^[0-9]{12}$",
        description="The AWS account that this stack is for; others are refused.",
    )
    awsRegion: str = Field("eu-central-1", pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$", description="The AWS region.")
    tags: dict[str, str] = Field({}, description="Tags on everything, beside the stack's own.")
    protect: bool = Field(
        True,
        description="Stateful resources refuse deletion, and volumes, buckets and secrets outlive a destroy. false: a destroy leaves nothing.",
    )
    floorsLifted: list[str] = Field(
        [],
        description="Settings that one `up` may set below what is deployed, after an `up` that failed to raise them. Else AWS refuses half-way.",
    )
    requirePins: bool = Field(
        False, description="Refuse an `up` while an image or a package has no digest in configs/versions.yaml."
    )
    expiresAt: str = Field(
        "",
        pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?Z)?$",
        description="An ephemeral stack's end (2026-11-30T18:00:00Z): whoever cleans up may destroy it from then on. Empty: never.",
    )
    logRetentionDays: Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731] = Field(
        30, description="CloudWatch keeps the parts' logs for this many days."
    )


class SharingSettings(BaseModel):
    """What another stack lends this one."""

    shareStack: str = Field(
        "",
        description="A stack of this project and backend whose VPC, brokers and Grafana workspace this one uses (docs/ephemeral.md). Empty: all its own.",
    )
    shareParts: list[Literal["network", "kafka", "grafana"]] = Field(
        ["network", "kafka", "grafana"],
        description="What shareStack lends: network, kafka, grafana. The rest is this stack's own; both others need network.",
    )


class NetworkSettings(BaseModel):
    """The VPC, made here or given."""

    networkVpcId: str = Field("", pattern=r"^(vpc-[0-9a-f]+)?$", description="An existing VPC. Empty: one is made.")
    networkPublicSubnetIds: list[str] = Field(
        [], description="Public subnets of networkVpcId, one a zone: the load balancer's."
    )
    networkPrivateSubnetIds: list[str] = Field(
        [], description="Private subnets of networkVpcId, one a zone, with a way out: everything else's."
    )
    networkCidr: str = Field("10.80.0.0/16", description="The made VPC's addresses, /16 to /22.")
    networkZones: int = Field(2, ge=2, le=3, description="Availability zones: 2, the least that MSK takes, or 3.")
    networkZoneIds: list[str] = Field(
        [],
        description="The zones of a made VPC by id (euc1-az1), the first networkZones of which are used. Empty: the region's first by id.",
    )
    networkNat: Literal["one", "zone"] = Field("one", description="NAT gateways: one for all zones, or one a zone.")
    networkEndpoints: list[str] = Field(
        [],
        description="Interface endpoints of a made VPC beside S3's gateway: ssm, ssmmessages, ec2messages, secretsmanager, logs, …",
    )
    networkFlowLogs: bool = Field(False, description="Record the VPC's rejected and accepted flows in CloudWatch.")


class CollectorSettings(BaseModel):
    """The collector and, on ECS, its load balancer."""

    collectorPlatform: Literal["ecs", "kubernetes"] = Field(
        "ecs",
        description="Where collectors run: on ECS Fargate behind a load balancer made here, or in a Kubernetes cluster that exists (docs/kubernetes.md).",
    )
    collectorDomain: str = Field(
        f"otlp.{EXAMPLE_DOMAIN}", description="The name under which agents reach the collector; its certificate's too."
    )
    collectorZoneId: str = Field(
        "",
        pattern=r"^(Z[A-Z0-9]+)?$",
        description="The public Route 53 zone of collectorDomain. Empty: you make the record.",
    )
    collectorCertificateArn: str = Field(
        "",
        description="An ACM certificate for collectorDomain. Empty: one is requested and validated in collectorZoneId.",
    )
    collectorInternal: bool = Field(False, description="The load balancer has addresses in the VPC only.")
    collectorAllowedCidrs: list[str] = Field(
        ["0.0.0.0/0"], description="Who may reach the load balancer. Whoever runs `up` must be among them (the canary)."
    )
    collectorCpu: Literal[256, 512, 1024, 2048, 4096] = Field(
        512, description="A collector task's or pod's CPU units (1024: one core)."
    )
    collectorMemoryMiB: int = Field(1024, ge=512, le=30720, description="A collector task's or pod's memory, in MiB.")
    collectorMinTasks: int = Field(1, ge=1, le=100, description="Collector tasks or pods at least.")
    collectorMaxTasks: int = Field(4, ge=1, le=100, description="Collector tasks or pods at most.")
    collectorSpot: bool = Field(False, description="Run the collector on Fargate Spot.")


class GrafanaSettings(BaseModel):
    """Amazon Managed Grafana, or a Grafana that exists."""

    grafanaMode: Literal["managed", "existing", "none"] = Field(
        "managed", description="A Managed Grafana workspace made here, one given by grafanaUrl, or none."
    )
    grafanaVersion: str = Field("12.4", description="The workspace's Grafana version. Never lowered.")
    grafanaAuthentication: Literal["AWS_SSO", "SAML"] = Field(
        "AWS_SSO", description="How people sign in to the workspace. A change replaces it and loses its content."
    )
    grafanaAdminGroups: list[str] = Field([], description="Identity Center group ids that administer Grafana.")
    grafanaEditorGroups: list[str] = Field([], description="Identity Center group ids that may edit dashboards.")
    grafanaViewerGroups: list[str] = Field([], description="Identity Center group ids that may look.")
    grafanaSamlMetadataUrl: str = Field("", description="grafanaAuthentication SAML: the identity provider's metadata.")
    grafanaUrl: str = Field("", description="grafanaMode existing: https://… of a Grafana 10 or newer.")
    grafanaTokenSecretArn: str = Field(
        "", description="grafanaMode existing: the secret with an Admin service account's token."
    )


class JobSettings(BaseModel):
    """The worker's service, its image, and who hears of alarms."""

    workerCpu: Literal[256, 512, 1024, 2048] = Field(256, description="The worker task's CPU units.")
    workerMemoryMiB: int = Field(512, ge=512, le=16384, description="The worker task's memory, in MiB.")
    workerImageRepository: str = Field(
        "",
        # Or a registry on this machine.
        pattern=r"^([0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/[a-z0-9._/-]+|(localhost|127\.0\.0\.1):[0-9]+/[a-z0-9._/-]+)?$",
        description="An existing ECR repository (its URL) for the worker's image. Empty: one is made.",
    )
    budgetWebhookSecretArn: str = Field(
        "",
        pattern=r"^(arn:aws:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+)?$",
        description='The secret with which calls of budgetWebhookUrl are signed: {"secret": "whsec_…"}, beside it perhaps "previous".',
    )
    budgetWebhookSecretKeyArn: str = Field(
        "",
        pattern=r"^(arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+)?$",
        description="The KMS key of budgetWebhookSecretArn. Empty: AWS's own (aws/secretsmanager).",
    )
    alarmTopicArn: str = Field(
        "",
        pattern=r"^(arn:aws:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)?$",
        description="An existing SNS topic for alarms. Empty: one is made.",
    )
    alarmEmails: list[str] = Field([], description="Addresses that the made topic writes to (each must confirm).")


class AwsSettings(
    JobSettings,
    GrafanaSettings,
    KubernetesSettings,
    CollectorSettings,
    TlsSettings,
    ClickHouseSettings,
    KafkaSettings,
    NetworkSettings,
    SharingSettings,
    StackSettings,
):
    """Everything that only a stack on AWS has."""

    @property
    def broker_zones(self) -> int:
        """How many zones have brokers."""
        return self.kafkaZones or self.networkZones

    def shares(self, part: str) -> bool:
        """Whether shareStack lends this part: network, kafka, grafana."""
        return bool(self.shareStack) and part in self.shareParts

    @property
    def owns_network(self) -> bool:
        """Whether the VPC is made here: neither given nor lent."""
        return not self.networkVpcId and not self.shares("network")

    @property
    def owns_brokers(self) -> bool:
        """Whether the Kafka cluster is made here."""
        return self.kafkaMode == "provisioned" and not self.shares("kafka")

    @property
    def owns_workspace(self) -> bool:
        """Whether the Grafana workspace is made here."""
        return self.grafanaMode == "managed" and not self.shares("grafana")

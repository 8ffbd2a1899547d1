"""Settings of the platform `aws`: network, brokers, ClickHouse nodes, collector tasks, Grafana, worker, alarms."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

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
    logRetentionDays: Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731] = Field(
        30, description="CloudWatch keeps the parts' logs for this many days."
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


class KafkaSettings(BaseModel):
    """Amazon MSK."""

    kafkaMode: Literal["provisioned", "existing", "serverless"] = Field(
        "provisioned",
        description="A cluster made here, or one given by kafkaBootstrapServers. serverless is refused: it has no topic API.",
    )
    kafkaAuth: Literal["scram", "iam"] = Field(
        "scram", description="How clients sign in; one mechanism a cluster. iam needs ClickHouse 26.8 or newer."
    )
    kafkaVersion: str = Field(
        "4.1.x.kraft", description="MSK's version string, in KRaft mode: it ends with .kraft. Never lowered."
    )
    kafkaInstanceType: str = Field(
        "kafka.m7g.large",
        pattern=r"^kafka\.[a-z0-9]+\.[a-z0-9]+$",
        description="Broker size (standard brokers; MSK takes m5 and m7g in KRaft mode).",
    )
    kafkaZones: int = Field(
        0,
        ge=0,
        le=3,
        description="Zones that have brokers. 0: networkZones. Fixed once the cluster stands: set it before networkZones is raised.",
    )
    kafkaBrokersPerZone: int = Field(1, ge=1, le=10, description="Brokers in each zone. Never lowered.")
    kafkaMonitoring: Literal["DEFAULT", "PER_BROKER", "PER_TOPIC_PER_BROKER", "PER_TOPIC_PER_PARTITION"] = Field(
        "DEFAULT",
        description="MSK's metrics. DEFAULT is free and has disks and each topic's lag; finer ones are paid by the metric.",
    )
    kafkaStorageGiB: int = Field(100, ge=1, le=16384, description="Each broker's volume at first, in GiB. Only grows.")
    kafkaStorageMaxGiB: int = Field(
        200,
        ge=1,
        le=16384,
        description="Each broker's volume may grow by itself to this, in GiB. Never lowered. As kafkaStorageGiB: it does not grow.",
    )
    kafkaReplication: int = Field(2, ge=1, le=5, description="Replicas of each partition.")
    kafkaMinInSync: int = Field(
        1, ge=1, le=4, description="Replicas that must have a record before it is acknowledged."
    )
    kafkaBootstrapServers: str = Field(
        "", description="kafkaMode existing: host:port, comma-separated, by SCRAM or IAM over TLS."
    )
    kafkaClusterArn: str = Field(
        "",
        pattern=r"^(arn:aws:kafka:[a-z0-9-]+:[0-9]{12}:cluster/[^/]+/[^/]+)?$",
        description="kafkaMode existing: the MSK cluster's ARN, for topics and IAM policies.",
    )
    kafkaSecurityGroupId: str = Field(
        "",
        pattern=r"^(sg-[0-9a-f]+)?$",
        description="kafkaMode existing: the brokers' security group, in which our parts are let in. Else kafkaBrokerCidrs.",
    )
    kafkaBrokerCidrs: list[str] = Field(
        [],
        description="kafkaMode existing: the brokers' private addresses, to which our parts may go out. Letting them in is yours.",
    )
    kafkaSecretArn: str = Field(
        "", description="kafkaMode existing with scram: the secret (AmazonMSK_…) with username and password."
    )
    kafkaSecretKeyArn: str = Field("", description="kafkaMode existing with scram: the KMS key of kafkaSecretArn.")


class ClickHouseSettings(BaseModel):
    """ClickHouse on EC2."""

    clickhouseShards: int = Field(
        1,
        ge=1,
        le=16,
        description="Parts into which the traces are divided, each with nodes, disks and tables of its own. Never lowered; stored rows stay where they are.",
    )
    clickhouseReplicas: int = Field(
        1,
        ge=1,
        le=3,
        description="ClickHouse nodes a shard, one a zone, each with all of its data. Above 1 three Keepers are made.",
    )
    clickhouseInstanceType: str = Field("m7g.large", description="A node's size, arm64.")
    clickhouseKeeperInstanceType: str = Field("t4g.small", description="A Keeper's size, arm64.")
    clickhouseAmi: str = Field(
        "",
        pattern=r"^(ami-[0-9a-f]+)?$",
        description="The nodes' machine image (Amazon Linux 2023, arm64); another one replaces node after node. Empty: the newest when a node is made, kept from then on.",
    )
    clickhouseHotGiB: int = Field(100, ge=10, le=16384, description="The hot volume (gp3), in GiB. Only grows.")
    clickhouseHotIops: int = Field(3000, ge=3000, le=16000, description="The hot volume's IOPS.")
    clickhouseHotThroughputMiB: int = Field(125, ge=125, le=1000, description="The hot volume's throughput, in MiB/s.")
    clickhouseSlowGiB: int = Field(
        125, ge=10, le=16384, description="The slow volume, in GiB (sc1 and st1: from 125). Only grows."
    )
    clickhouseSlowType: Literal["gp3", "st1", "sc1"] = Field("gp3", description="The slow volume's type.")
    clickhouseCacheGiB: int = Field(
        10, ge=1, le=4096, description="Cache of the S3 volume's data on the hot volume, in GiB."
    )
    clickhouseFsync: bool = Field(True, description="An insert is on disk before its Kafka offsets are committed.")
    clickhouseReach: Literal["tunnel", "direct"] = Field(
        "tunnel",
        description="How post-deploy steps reach ClickHouse: an SSM port forwarding for each step, or directly (a VPN, a runner in the VPC).",
    )
    clickhouseAllowedCidrs: list[str] = Field(
        [],
        description="Private addresses that may reach ClickHouse on 8443: a VPN's or a runner's (clickhouseReach direct), a given Grafana's (grafanaMode existing).",
    )
    clickhouseBackupSchedule: str = Field(
        "rate(1 day)",
        pattern=r"^(rate|cron)\(.+\)$",
        description="When a backup is written to S3 (EventBridge Scheduler's syntax).",
    )
    clickhouseBackupDays: int = Field(35, ge=1, le=3650, description="Backups are kept for this many days.")


class CollectorSettings(BaseModel):
    """The collector on ECS and its load balancer."""

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
        512, description="A collector task's CPU units (1024: one core)."
    )
    collectorMemoryMiB: int = Field(1024, ge=512, le=30720, description="A collector task's memory, in MiB.")
    collectorMinTasks: int = Field(1, ge=1, le=100, description="Collector tasks at least.")
    collectorMaxTasks: int = Field(4, ge=1, le=100, description="Collector tasks at most.")
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
    CollectorSettings,
    TlsSettings,
    ClickHouseSettings,
    KafkaSettings,
    NetworkSettings,
    StackSettings,
):
    """Everything that only a stack on AWS has."""

    @property
    def broker_zones(self) -> int:
        """How many zones have brokers."""
        return self.kafkaZones or self.networkZones

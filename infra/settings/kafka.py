"""Settings of Amazon MSK: a cluster made here, or one given."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


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

"""Amazon MSK: the brokers, their configuration, their volumes that grow by themselves, their log."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context
from infra.aws.ecs import logs
from infra.kafka import message_max_bytes
from infra.paths import CONFIGS
from infra.settings import Settings
from infra.templates import render

MONTH_MINUTES = 30 * 24 * 60
FULL_PERCENT = 60
"""A volume grows when it is this full. MSK lets it grow again only after six hours, so that what arrives in these must
find room in the rest."""
VOLUME_SIZE = "brokerNodeGroupInfo.storageInfo.ebsStorageInfo.volumeSize"


@dataclass(frozen=True)
class Brokers:
    """Where the brokers are."""

    subnet_ids: list[pulumi.Output[str]]
    """A change replaces the cluster: floors.py refuses other zones."""
    security_group: pulumi.Output[str]
    """A change replaces the cluster: its rules change, it never does."""
    key_arn: pulumi.Input[str]


def server_properties(settings: Settings) -> str:
    """The brokers' configuration as MSK takes it: a property a line."""
    text = render(
        CONFIGS / "kafka" / "msk.properties",
        {
            "replication": settings.kafkaReplication,
            "min_in_sync": settings.kafkaMinInSync,
            "message_max_bytes": message_max_bytes(settings),
            "offsets_retention_minutes": max(MONTH_MINUTES, settings.kafkaRetentionHours * 60),
        },
    )
    return "".join(f"{line}\n" for line in text.splitlines() if line and not line.startswith("#"))


def cluster(name: str, context: Context, parent: pulumi.Resource, brokers: Brokers) -> aws.msk.Cluster:
    """The cluster: KRaft mode, TLS everywhere, one way to sign in, nothing public."""
    settings = context.settings
    configuration = aws.msk.Configuration(
        f"{name}-configuration",
        description=f"{context.prefix}: no automatic topics, no unclean elections, sizes as the collector's",
        # Without kafka_versions: they would replace it at each upgrade, and one in use can't be deleted.
        server_properties=server_properties(settings),
        opts=context.stateful(parent),
    )
    grows = settings.kafkaStorageMaxGiB > settings.kafkaStorageGiB
    made = aws.msk.Cluster(
        f"{name}-cluster",
        kafka_version=settings.kafkaVersion,
        number_of_broker_nodes=settings.kafkaBrokersPerZone * settings.broker_zones,
        broker_node_group_info={
            "client_subnets": brokers.subnet_ids[: settings.broker_zones],
            "instance_type": settings.kafkaInstanceType,
            "security_groups": [brokers.security_group],
            "storage_info": {"ebs_storage_info": {"volume_size": settings.kafkaStorageGiB}},
            "connectivity_info": {"public_access": {"type": "DISABLED"}},
        },
        client_authentication={
            "sasl": {"scram": settings.kafkaAuth == "scram", "iam": settings.kafkaAuth == "iam"},
            "unauthenticated": False,
        },
        encryption_info={
            "encryption_at_rest_kms_key_arn": brokers.key_arn,
            "encryption_in_transit": {"client_broker": "TLS", "in_cluster": True},
        },
        # The latest revision, never a number: else a changed property would reach no broker.
        configuration_info={"arn": configuration.arn, "revision": configuration.latest_revision},
        enhanced_monitoring=settings.kafkaMonitoring,
        open_monitoring={
            "prometheus": {"jmx_exporter": {"enabled_in_broker": False}, "node_exporter": {"enabled_in_broker": False}}
        },
        logging_info={
            "broker_logs": {
                "cloudwatch_logs": {
                    "enabled": True,
                    "log_group": logs(context, parent, "kafka", brokers.key_arn).group.name,
                }
            }
        },
        opts=context.stateful(parent, ignore_changes=[VOLUME_SIZE] if grows else []),
    )
    if grows:
        _growth(name, context, parent, made)
    return made


def _growth(name: str, context: Context, parent: pulumi.Resource, made: aws.msk.Cluster) -> None:
    target = aws.appautoscaling.Target(
        f"{name}-storage",
        service_namespace="kafka",
        resource_id=made.arn,
        scalable_dimension="kafka:broker-storage:VolumeSize",
        # What MSK takes; it never shrinks a volume.
        min_capacity=1,
        max_capacity=context.settings.kafkaStorageMaxGiB,
        opts=context.options(parent),
    )
    aws.appautoscaling.Policy(
        f"{name}-storage-growth",
        service_namespace=target.service_namespace,
        resource_id=target.resource_id,
        scalable_dimension=target.scalable_dimension,
        policy_type="TargetTrackingScaling",
        target_tracking_scaling_policy_configuration={
            "predefined_metric_specification": {"predefined_metric_type": "KafkaBrokerStorageUtilization"},
            "target_value": FULL_PERCENT,
            "disable_scale_in": True,
        },
        opts=context.options(parent),
    )

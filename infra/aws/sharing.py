"""What a stack lends others: the value of its output `shared`, which they read (infra/aws/lent.py). Ids and ARNs only."""

from __future__ import annotations

from typing import Any

import pulumi

from infra.aws.firewall import Firewall
from infra.aws.grafana import Grafana
from infra.aws.kafka import Kafka
from infra.aws.network import Network
from infra.settings import Settings


def shared(
    settings: Settings, network: Network, firewall: Firewall, kafka: Kafka, grafana: Grafana | None
) -> dict[str, pulumi.Input[Any]]:
    """The output's value: what this stack has of its own."""
    lent: dict[str, pulumi.Input[Any]] = {
        "account": settings.awsAccount,
        "region": settings.awsRegion,
        "protect": settings.protect,
    }
    if not settings.shares("network"):
        zones = zip(network.zones, network.public_subnet_ids, network.private_subnet_ids, strict=True)
        lent["network"] = {
            "vpcId": network.vpc_id,
            "cidr": network.cidr,
            "zones": [{"name": zone, "public": public, "private": private} for zone, public, private in zones],
            "natAddresses": network.nat_addresses,
            "endpointsGroup": firewall.endpoints,
        }
    if settings.owns_brokers:
        lent["kafka"] = {
            "clusterArn": kafka.cluster_arn,
            "bootstrapServers": kafka.endpoint.bootstrap_servers,
            "group": firewall.kafka,
            "auth": settings.kafkaAuth,
            "brokers": settings.kafkaBrokersPerZone * settings.broker_zones,
        }
    if settings.owns_workspace and grafana is not None:
        lent["grafana"] = {
            "workspaceId": grafana.workspace_id,
            "url": grafana.endpoint.url,
            "group": firewall.grafana,
            "alertTopicArn": settings.alertTopicArn,
        }
    return lent

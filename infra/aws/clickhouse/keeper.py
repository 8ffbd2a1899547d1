"""Three ClickHouse Keepers, one a zone, through which replicas agree. None with a single ClickHouse node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.clickhouse import names
from infra.aws.clickhouse.applied import Applied
from infra.aws.clickhouse.certificates import Certificates
from infra.aws.clickhouse.configuration import agent_config, bundle, keeper_files, keeper_plan
from infra.aws.clickhouse.node import Node, NodeArgs, VolumeArgs
from infra.aws.clickhouse.roles import NodeRole, RoleArgs
from infra.aws.clickhouse.storage import Storage
from infra.aws.context import Context
from infra.aws.network import Network

VOLUME_GIB = 10


@dataclass(frozen=True)
class KeepersArgs:
    """What the Keepers need."""

    context: Context
    network: Network
    security_group_id: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    certificates: Certificates
    storage: Storage
    log_group: aws.cloudwatch.LogGroup
    dns_zone_id: pulumi.Input[str]


class Keepers(pulumi.ComponentResource):
    """`hosts`: their names, in the order of their numbers. `applied`: there once they serve."""

    hosts: list[str]
    nodes: list[Node]
    instance_ids: list[pulumi.Output[str]]
    applied: list[Applied]

    def __init__(self, name: str, args: KeepersArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:Keepers", name, None, opts)
        zone = names.zone(args.context)
        keepers = names.keepers(args.context)
        self.hosts = [f"{keeper}.{zone}" for keeper in keepers]
        nodes: list[Node] = []
        for index, keeper in enumerate(keepers):
            nodes.append(self._node(args, index, keeper, nodes[-1:]))
        self.nodes, self.instance_ids = nodes, [node.instance_id for node in nodes]
        self.applied = [node.applied for node in nodes]
        self.register_outputs({"hosts": self.hosts})

    def _node(self, args: KeepersArgs, index: int, keeper: str, before: list[Node]) -> Node:
        context, host = args.context, self.hosts[index]
        certificate = args.certificates.node(keeper)
        role = NodeRole(
            f"{keeper}-role",
            RoleArgs(
                context=context,
                node=keeper,
                key_arns=[args.key_arn, *certificate.key_arns],
                secret_arns=[certificate.arn],
                bundles_arn=args.storage.bundles.arn,
                log_group_arn=args.log_group.arn,
            ),
            context.options(self),
        )
        peers = [other for other in self.hosts if other != host]

        def make(known: Mapping[str, Any]) -> str:
            plan = {
                **keeper_plan(keeper, host, peers),
                "region": context.settings.awsRegion,
                "secrets": {"tls": known["tls"]},
                **{key: known[key] for key in ("ca_pem", "certificate", "volumes")},
            }
            files = [f"{names.LOGS}/clickhouse-keeper.log", f"{names.LOGS}/clickhouse-keeper.err.log"]
            agent = agent_config(context.settings.awsRegion, keeper, known["log_group"], [names.KEEPER], files)
            return bundle(plan, keeper_files(index + 1, self.hosts), agent)

        return Node(
            keeper,
            NodeArgs(
                context=context,
                host=host,
                zone=args.network.zones[index],
                subnet_id=args.network.private_subnet_ids[index],
                security_group_id=args.security_group_id,
                instance_type=context.settings.clickhouseKeeperInstanceType,
                key_arn=args.key_arn,
                role=role,
                dns_zone_id=args.dns_zone_id,
                bundles=args.storage.bundles.name,
                volumes=[VolumeArgs("log", names.KEEPER, VOLUME_GIB)],
                bundle=make,
                known={
                    "tls": certificate.arn,
                    "ca_pem": args.certificates.ca_pem,
                    "certificate": certificate.given,
                    "log_group": args.log_group.name,
                },
                triggers=[certificate.version],
                effect=f"{keeper} restarts; the two others serve meanwhile",
                after=[*(node.applied for node in before), *args.storage.ready, *certificate.ready],
            ),
            context.options(self),
        )

"""ClickHouse on EC2: shards of one to three nodes, each with all of its shard's data, Keepers beside them when there are
several, a ClickHouseEndpoint a shard out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.access import InVpc, Tunnel
from infra.aws.clickhouse import names
from infra.aws.clickhouse.certificates import Certificates
from infra.aws.clickhouse.configuration import ServerValues, agent_config, bundle, server_files, server_plan
from infra.aws.clickhouse.keeper import Keepers, KeepersArgs
from infra.aws.clickhouse.node import Node, NodeArgs, VolumeArgs
from infra.aws.clickhouse.roles import NodeRole, RoleArgs
from infra.aws.clickhouse.storage import Storage
from infra.aws.clickhouse.users import Users
from infra.aws.context import Context
from infra.aws.ecs import logs, secret_statements
from infra.aws.firewall import Firewall
from infra.aws.jobs import Job
from infra.aws.kafka import Kafka
from infra.aws.network import Network
from infra.endpoints import ClickHouseEndpoint, access_input
from infra.shards import named

INTERSERVER = "interserver"
BACKUP_VARIABLE = "AGENT_TELEMETRY_BACKUP"


@dataclass(frozen=True)
class ClickHouseArgs:
    """What ClickHouse needs of the other parts."""

    context: Context
    network: Network
    firewall: Firewall
    kafka: Kafka
    key_arn: pulumi.Input[str]


class ClickHouse(pulumi.ComponentResource):
    """The nodes. `endpoints` are the migrator's; `access_of` and `users` are for the others."""

    endpoints: list[ClickHouseEndpoint]
    """Each shard's."""
    fingerprint: pulumi.Output[str]
    host: str
    node_names: list[str]
    instance_ids: list[pulumi.Output[str]]
    machines: list[Node]
    """Keepers and nodes, for what watches them."""
    users: dict[str, pulumi.Output[str]]
    """User to the ARN of its secret."""
    ca_pem: pulumi.Output[str]
    backup_bucket: pulumi.Output[str]
    backup_bucket_arn: pulumi.Output[str]

    def __init__(self, name: str, args: ClickHouseArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:ClickHouse", name, None, opts)
        context, options = args.context, args.context.options(self)
        self._args, self._name = args, name
        self.node_names, self._shards = names.servers(context), names.shards(context)
        zone = names.zone(context)
        self.host = names.host(context)
        dns = aws.route53.Zone(
            f"{name}-zone",
            name=zone,
            comment=f"{context.prefix}: ClickHouse's nodes",
            vpcs=[{"vpc_id": args.network.vpc_id}],
            opts=options,
        )
        self._dns_zone_id = dns.zone_id
        self._certificates = Certificates(f"{name}-certificates", context, args.key_arn, options)
        self.ca_pem = self._certificates.ca_pem
        several = len(self.node_names) > 1
        secrets = Users(
            f"{name}-users", context, args.key_arn, [*names.users(context), *([INTERSERVER] * several)], options
        )
        self._secrets, self.users = secrets, {user: secrets.arns[user] for user in names.users(context)}
        self._storage = Storage(f"{name}-storage", context, args.key_arn, options)
        self.backup_bucket, self.backup_bucket_arn = self._storage.backups.name, self._storage.backups.arn
        self._logs = logs(context, self, name, args.key_arn)
        keepers = Keepers(
            f"{name}-keepers",
            KeepersArgs(
                context=context,
                network=args.network,
                security_group_id=args.firewall.keeper,
                key_arn=args.key_arn,
                certificates=self._certificates,
                storage=self._storage,
                log_group=self._logs.group,
                dns_zone_id=self._dns_zone_id,
            ),
            options,
        )
        nodes: list[Node] = []
        for number, shard in enumerate(self._shards, 1):
            for index, node in enumerate(shard):
                before = [nodes[-1].applied] if nodes else keepers.applied
                # Where a shard has one node, the shards' nodes are spread over the zones.
                zone_index = (number - 1 + index) % len(args.network.zones)
                nodes.append(self._node(number, zone_index, node, keepers.hosts, before))
        self.instance_ids, self.machines = [node.instance_id for node in nodes], [*keepers.nodes, *nodes]
        self.fingerprint = pulumi.Output.all(*[node.applied.sha256 for node in nodes]).apply(" ".join)
        kind = InVpc if context.settings.clickhouseReach == "direct" else Tunnel
        # Known once the last node serves: whoever uses the endpoint comes after.
        ready = pulumi.Output.all(*[node.applied.said for node in nodes])
        first = ClickHouseEndpoint(
            host=ready.apply(lambda _: self.host),
            port=pulumi.Output.from_input(names.HTTPS_PORT),
            user=pulumi.Output.from_input("migrator"),
            secure=pulumi.Output.from_input(True),
            # The server's own format_schema_path.
            schema_folder=pulumi.Output.from_input(""),
            access=self.access_of("migrator", kind),
        )
        further = range(2, len(self._shards) + 1)
        self.endpoints = [
            first,
            *(replace(first, access=self.access_of("migrator", kind, number)) for number in further),
        ]
        self.register_outputs({"host": self.host, "instanceIds": self.instance_ids})

    def access_of(self, user: str, kind: type = InVpc, shard: int = 1) -> dict[str, Any]:
        """How `user` gets in to a shard: from inside of the network, or by a tunnel."""
        args: dict[str, pulumi.Input[Any]] = {
            "region": self._args.context.settings.awsRegion,
            "secret_arn": self.users[user],
            "ca_pem": self.ca_pem,
        }
        if kind is Tunnel:
            ids = dict(zip(self.node_names, self.instance_ids, strict=True))
            args["instance_ids"] = [ids[node] for node in self._shards[shard - 1]]
        elif len(self.node_names) > 1:
            args["hosts"] = self._hosts(shard)
        return access_input(kind, **args)

    def _hosts(self, shard: int) -> list[str]:
        """The shard's nodes' own names, in the order in which they are asked."""
        return [f"{node}.{names.zone(self._args.context)}" for node in self._shards[shard - 1]]

    def backup_jobs(self) -> list[Job]:
        """What makes the backups (backup.py), a shard each: a task of the worker's image, now and then."""
        return [self._backup_job(shard) for shard in range(1, len(self._shards) + 1)]

    def _backup_job(self, shard: int) -> Job:
        args, context = self._args, self._args.context
        known = {"secret_arn": self.users["worker"], "ca_pem": self.ca_pem, "bucket": self.backup_bucket}
        fixed: dict[str, Any] = {
            "region": context.settings.awsRegion,
            "hosts": self._hosts(shard),
            "port": names.HTTPS_PORT,
        }
        if shard > 1:
            fixed["folder"] = f"shard-{shard}/"
        text = pulumi.Output.all(**known).apply(lambda found: json.dumps({**fixed, **found}, sort_keys=True))
        return Job(
            named("backup", shard),
            "infra.aws.clickhouse.backup",
            context.settings.clickhouseBackupSchedule,
            ["--config-env", BACKUP_VARIABLE],
            {BACKUP_VARIABLE: text},
            pulumi.Output.all(
                {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": self.backup_bucket_arn},
                *secret_statements(context.settings.awsRegion, [self.users["worker"]], [args.key_arn]),
            ),
        )

    def _node(self, shard: int, zone_index: int, node: str, keepers: list[str], before: list[Any]) -> Node:
        args, storage = self._args, self._storage
        context, settings = args.context, args.context.settings
        host = f"{node}.{names.zone(context)}"
        certificate = self._certificates.node(node)
        by_user = dict(self._secrets.arns)
        secrets: dict[str, pulumi.Input[Any]] = {
            "tls": certificate.arn,
            "users": {user: by_user[user] for user in names.users(context)},
        }
        if INTERSERVER in by_user:
            secrets[INTERSERVER] = by_user[INTERSERVER]
        key_arns: list[pulumi.Input[str]] = [args.key_arn, *certificate.key_arns]
        secret_arns: list[pulumi.Input[str]] = [certificate.arn, *by_user.values()]
        kafka_version: list[pulumi.Input[str]] = []
        if settings.kafkaAuth == "scram":
            kafka_version = [args.kafka.credential_versions.get("clickhouse", "")]
            secrets["kafka"] = args.kafka.credentials["clickhouse"]
            secret_arns.append(args.kafka.credentials["clickhouse"])
            key_arns.append(args.kafka.credentials_key_arn)
        role = NodeRole(
            f"{node}-role",
            RoleArgs(
                context=context,
                node=node,
                key_arns=key_arns,
                secret_arns=secret_arns,
                bundles_arn=storage.bundles.arn,
                log_group_arn=self._logs.group.arn,
                data_arn=storage.data.arn,
                backups_arn=storage.backups.arn,
                kafka=args.kafka.client_policy("clickhouse") if settings.kafkaAuth == "iam" else (),
            ),
            context.options(self),
        )
        others = "the only node: queries fail, ingest waits in Kafka"
        if settings.clickhouseReplicas > 1:
            others = "the others serve meanwhile"
        elif len(self._shards) > 1:
            others = "its shard's only node: queries over all shards fail, its ingest waits in Kafka"
        return Node(
            node,
            NodeArgs(
                context=context,
                host=host,
                zone=args.network.zones[zone_index],
                subnet_id=args.network.private_subnet_ids[zone_index],
                security_group_id=args.firewall.clickhouse,
                instance_type=settings.clickhouseInstanceType,
                key_arn=args.key_arn,
                role=role,
                dns_zone_id=self._dns_zone_id,
                bundles=storage.bundles.name,
                volumes=[
                    VolumeArgs(
                        "hot",
                        names.HOT,
                        settings.clickhouseHotGiB,
                        iops=settings.clickhouseHotIops,
                        throughput=settings.clickhouseHotThroughputMiB,
                    ),
                    VolumeArgs("slow", names.SLOW, settings.clickhouseSlowGiB, settings.clickhouseSlowType),
                ],
                bundle=lambda known: self._bundle(shard, node, host, keepers, known),
                known={
                    "secrets": secrets,
                    "ca_pem": self.ca_pem,
                    "certificate": certificate.given,
                    "cidr": args.network.cidr,
                    "data": storage.data.name,
                    "backups": storage.backups.name,
                    "log_group": self._logs.group.name,
                },
                triggers=[certificate.version, *self._secrets.versions.values(), *kafka_version],
                effect=f"{node} restarts unless only users or certificates change; {others}",
                after=[*before, *storage.ready, *certificate.ready],
                shared_name=self.host,
            ),
            context.options(self),
        )

    def _bundle(self, shard: int, node: str, host: str, keepers: list[str], known: Mapping[str, Any]) -> str:
        settings = self._args.context.settings
        networks = [known["cidr"], *settings.clickhouseAllowedCidrs]
        cluster = [self._hosts(number) for number in range(1, len(self._shards) + 1)]
        values = ServerValues(node, host, networks, known["data"], known["backups"], keepers, shard, cluster)
        plan = {
            **server_plan(node, host, bool(keepers), shard, len(self._shards)),
            "region": settings.awsRegion,
            **{key: known[key] for key in ("secrets", "ca_pem", "certificate", "volumes")},
        }
        logs_ = [f"{names.LOGS}/clickhouse-server.log", f"{names.LOGS}/clickhouse-server.err.log"]
        agent = agent_config(settings.awsRegion, node, known["log_group"], [names.HOT, names.SLOW], logs_)
        return bundle(plan, server_files(settings, values), agent)

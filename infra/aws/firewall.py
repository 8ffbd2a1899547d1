"""Who may talk to whom: one security group a part, and one table of which every line is a rule at both ends.

Nothing else is open, in either direction. Towards `0.0.0.0/0` there are two things only:
- in: the load balancer's two listeners, from collectorAllowedCidrs, which may say so;
- out: port 443, for nodes, tasks and Grafana. They call AWS's own services and download packages and images, whose
  addresses are many and change; interface endpoints (networkEndpoints) take most of it off the internet, but not all.
Security groups don't filter DNS, time and instance metadata, and the brokers talk to each other on MSK's own network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context
from infra.aws.network import ANYWHERE, LEFTOVERS
from infra.settings import Settings

HTTPS = 443
KAFKA_PORTS = {"scram": 9096, "iam": 9098}
"""MSK's TLS listeners inside the VPC (MSK developer guide, port information)."""
OTLP_DOORS = (HTTPS, 4317)
"""The load balancer's listeners: OTLP over HTTP, OTLP over gRPC."""
CLICKHOUSE_HTTPS, CLICKHOUSE_NATIVE, INTERSERVER = 8443, 9440, 9010
KEEPER_CLIENT, KEEPER_RAFT = 9281, 9234
GROUPS = {
    "load_balancer": "load balancer",
    "collector": "collector tasks",
    "kafka": "Kafka brokers",
    "clickhouse": "ClickHouse nodes",
    "keeper": "ClickHouse Keepers",
    "worker": "worker and jobs",
    "grafana": "way of Grafana into the VPC",
    "endpoints": "AWS interface endpoints",
}
"""A change of these texts replaces the groups; the brokers' group would take the Kafka cluster with it."""
CALLERS = ("collector", "clickhouse", "keeper", "worker", "grafana")
"""Who calls AWS's services."""


@dataclass(frozen=True)
class Rule:
    """`source` may open TCP connections to `target` at `port`. Either may be an address range instead of a group."""

    source: str
    target: str
    port: int
    why: str
    """A security group's description takes letters, digits and ._-:/()#,@[]+=&;{}!$* only."""


def kafka_ports(settings: Settings) -> list[int]:
    """Where the brokers listen."""
    if settings.kafkaMode != "existing":
        return [KAFKA_PORTS[settings.kafkaAuth]]
    return sorted({int(server.rpartition(":")[2]) for server in settings.kafkaBootstrapServers.split(",")})


def table(settings: Settings) -> Iterator[Rule]:
    """Every rule between our parts."""
    for port in sorted({settings.otlpHttpPort, settings.otlpGrpcPort}):
        yield Rule("load_balancer", "collector", port, "OTLP")
    yield Rule("load_balancer", "collector", settings.collectorHealthPort, "health checks")
    # Brokers that exist may be known by their addresses alone: then these are our ends of the rules.
    for brokers in settings.kafkaBrokerCidrs or ["kafka"]:
        for port in kafka_ports(settings):
            yield Rule("collector", brokers, port, "produces")
            yield Rule("clickhouse", brokers, port, "consumes")
            yield Rule("worker", brokers, port, "compares offsets")
    yield Rule("worker", "clickhouse", CLICKHOUSE_HTTPS, "recomputes, audits, backups")
    yield Rule("worker", "collector", settings.collectorMetricsPort, "reads its own metrics")
    if settings.collectorInternal:
        yield Rule("worker", "load_balancer", HTTPS, "canary")
    yield Rule("grafana", "clickhouse", CLICKHOUSE_HTTPS, "queries")
    if settings.clickhouseShards > 1 and settings.clickhouseReplicas == 1:
        yield Rule("clickhouse", "clickhouse", CLICKHOUSE_NATIVE, "queries over all shards")
    if settings.clickhouseReplicas > 1:
        yield Rule("clickhouse", "clickhouse", INTERSERVER, "replicas fetch parts")
        yield Rule("clickhouse", "clickhouse", CLICKHOUSE_NATIVE, "queries over all replicas")
        yield Rule("clickhouse", "keeper", KEEPER_CLIENT, "replication log")
        yield Rule("keeper", "keeper", KEEPER_RAFT, "consensus")
    for cidr in settings.clickhouseAllowedCidrs:
        yield Rule(cidr, "clickhouse", CLICKHOUSE_HTTPS, "clickhouseAllowedCidrs")
    for cidr in settings.collectorAllowedCidrs:
        for port in OTLP_DOORS:
            yield Rule(cidr, "load_balancer", port, "OTLP, collectorAllowedCidrs")
    for source in CALLERS:
        yield Rule(source, ANYWHERE, HTTPS, "AWS services, packages, images")
        if settings.networkEndpoints:
            yield Rule(source, "endpoints", HTTPS, "AWS services at private addresses")


@dataclass(frozen=True)
class FirewallArgs:
    """What the firewall needs."""

    context: Context
    vpc_id: pulumi.Input[str]
    nat_addresses: Sequence[pulumi.Input[str]] = ()
    """Where the worker's canary comes from when the load balancer is public."""


class Firewall(pulumi.ComponentResource):
    """The groups' ids. Parts take theirs and define no rule of their own.

    What boots and downloads at once depends on the whole firewall (`depends_on`): an id alone says nothing of its rules.
    """

    load_balancer: pulumi.Output[str]
    collector: pulumi.Output[str]
    kafka: pulumi.Output[str]
    """Not there with kafkaBrokerCidrs: the brokers' group is their owner's."""
    clickhouse: pulumi.Output[str]
    keeper: pulumi.Output[str]
    worker: pulumi.Output[str]
    grafana: pulumi.Output[str]
    endpoints: pulumi.Output[str]

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:Firewall", name, None, opts)
        context = args.context
        self._name, self._options = name, context.options(self)
        settings = context.settings
        existing = settings.kafkaMode == "existing"
        self._groups: dict[str, pulumi.Output[str]] = {
            part: aws.ec2.SecurityGroup(
                f"{name}-{part.replace('_', '-')}",
                description=f"{context.prefix}: {what}",
                vpc_id=args.vpc_id,
                # Never rules inline: these and the single ones would delete each other.
                opts=context.options(self, custom_timeouts=LEFTOVERS),
            ).id
            for part, what in GROUPS.items()
            if not (existing and part == "kafka")
        }
        if existing and settings.kafkaSecurityGroupId:
            self._groups["kafka"] = pulumi.Output.from_input(settings.kafkaSecurityGroupId)
        for part, id_ in self._groups.items():
            setattr(self, part, id_)
        for rule in table(settings):
            self._open(rule)
        if not settings.collectorInternal:
            # The worker's canary takes the door that agents take, at its public address: it leaves through NAT.
            for index, address in enumerate(args.nat_addresses, 1):
                cidr = pulumi.Output.concat(address, "/32")
                self._in(Rule(f"nat-{index}", "load_balancer", HTTPS, "canary through NAT"), cidr=cidr)
        self.register_outputs(dict(self._groups))

    def _open(self, rule: Rule) -> None:
        source, target = self._groups.get(rule.source), self._groups.get(rule.target)
        if target is not None:
            self._in(rule, group=source, cidr=rule.source if source is None else None)
        if source is not None:
            aws.vpc.SecurityGroupEgressRule(
                self._rule_name(rule, "out"),
                security_group_id=source,
                referenced_security_group_id=target,
                cidr_ipv4=rule.target if target is None else None,
                ip_protocol="tcp",
                from_port=rule.port,
                to_port=rule.port,
                description=rule.why,
                opts=self._options,
            )

    def _in(self, rule: Rule, group: pulumi.Output[str] | None = None, cidr: pulumi.Input[str] | None = None) -> None:
        aws.vpc.SecurityGroupIngressRule(
            self._rule_name(rule, "in"),
            security_group_id=self._groups[rule.target],
            referenced_security_group_id=group,
            cidr_ipv4=cidr,
            ip_protocol="tcp",
            from_port=rule.port,
            to_port=rule.port,
            description=rule.why,
            opts=self._options,
        )

    def _rule_name(self, rule: Rule, end: str) -> str:
        return f"{self._name}-{rule.source}-{rule.target}-{rule.port}-{end}".replace("_", "-").replace("/", "-")

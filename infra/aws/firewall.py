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
LENT = {"kafka": ("kafka", "group"), "grafana": ("grafana", "group"), "endpoints": ("network", "endpointsGroup")}
"""Groups that come with a part that another stack lends: part and key in its output (sharing.py)."""
ON_ECS = ("load_balancer", "collector")
"""Groups that are only there with collectorPlatform ecs."""
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
    if settings.collectorPlatform == "ecs":
        yield from _doors(settings)
    # Brokers that exist may be known by their addresses alone: then these are our ends of the rules.
    for brokers in settings.kafkaBrokerCidrs or ["kafka"]:
        for port in kafka_ports(settings):
            for collectors in producers(settings):
                yield Rule(collectors, brokers, port, "produces")
            yield Rule("clickhouse", brokers, port, "consumes")
            yield Rule("worker", brokers, port, "compares offsets")
    yield Rule("worker", "clickhouse", CLICKHOUSE_HTTPS, "recomputes, audits, backups")
    # A lent workspace is in its owner's group: then this opens both ends for this stack.
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
    for source in CALLERS:
        if source == "collector" and settings.collectorPlatform != "ecs":
            continue
        if source in LENT and settings.shares(source):
            continue  # Its owner's firewall has these.
        yield Rule(source, ANYWHERE, HTTPS, "AWS services, packages, images")
        # In a lent network the owner may have endpoints at any time, and names lead to them from then on.
        if settings.networkEndpoints or settings.shares("network"):
            yield Rule(source, "endpoints", HTTPS, "AWS services at private addresses")


def producers(settings: Settings) -> list[str]:
    """Where collectors are: our tasks, or pods by their group or their addresses."""
    if settings.collectorPlatform == "ecs":
        return ["collector"]
    return ["pods"] if settings.kubernetesSecurityGroupId else settings.kubernetesPodCidrs


def _doors(settings: Settings) -> Iterator[Rule]:
    """The load balancer, and the collector's tasks behind it."""
    for port in sorted({settings.otlpHttpPort, settings.otlpGrpcPort}):
        yield Rule("load_balancer", "collector", port, "OTLP")
    yield Rule("load_balancer", "collector", settings.collectorHealthPort, "health checks")
    yield Rule("worker", "collector", settings.collectorMetricsPort, "reads its own metrics")
    if settings.collectorInternal:
        yield Rule("worker", "load_balancer", HTTPS, "canary")
    for cidr in settings.collectorAllowedCidrs:
        for port in OTLP_DOORS:
            yield Rule(cidr, "load_balancer", port, "OTLP, collectorAllowedCidrs")


@dataclass(frozen=True)
class FirewallArgs:
    """What the firewall needs."""

    context: Context
    vpc_id: pulumi.Input[str]
    nat_addresses: Sequence[pulumi.Input[str]] | pulumi.Output[Sequence[str]] = ()
    """Where the worker's canary comes from when the load balancer is public."""


class Firewall(pulumi.ComponentResource):
    """The groups' ids. Parts take theirs and define no rule of their own.

    What boots and downloads at once depends on the whole firewall (`depends_on`): an id alone says nothing of its rules.
    """

    load_balancer: pulumi.Output[str]
    collector: pulumi.Output[str]
    """These two only with collectorPlatform ecs."""
    kafka: pulumi.Output[str]
    """Not there with kafkaBrokerCidrs: the brokers' group is their owner's. With shareStack it is the lender's, and the
    rules in it that name our groups go with this stack; so with the two others that can be lent."""
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
        existing, ecs = settings.kafkaMode == "existing", settings.collectorPlatform == "ecs"
        lent = {
            group: lender.value(part, key) for group, (part, key) in LENT.items() if (lender := context.lends(part))
        }
        self._groups: dict[str, pulumi.Output[str]] = {
            part: aws.ec2.SecurityGroup(
                f"{name}-{part.replace('_', '-')}",
                description=f"{context.prefix}: {what}",
                vpc_id=args.vpc_id,
                # Never rules inline: these and the single ones would delete each other.
                opts=context.options(self, custom_timeouts=LEFTOVERS),
            ).id
            for part, what in GROUPS.items()
            if part not in lent and not (existing and part == "kafka") and (ecs or part not in ON_ECS)
        }
        self._groups |= lent
        if existing and settings.kafkaSecurityGroupId:
            self._groups["kafka"] = pulumi.Output.from_input(settings.kafkaSecurityGroupId)
        for part, id_ in self._groups.items():
            setattr(self, part, id_)
        if settings.kubernetesSecurityGroupId:
            self._groups["pods"] = pulumi.Output.from_input(settings.kubernetesSecurityGroupId)
        for rule in table(settings):
            self._open(rule)
        if ecs and not settings.collectorInternal:
            if isinstance(args.nat_addresses, pulumi.Output):
                # How many there are is the lender's to say. A StackReference is read in a preview too.
                args.nat_addresses.apply(self._canary)
            else:
                self._canary(args.nat_addresses)
        self.register_outputs(dict(self._groups))

    def _canary(self, addresses: Sequence[pulumi.Input[str]]) -> None:
        """The worker's canary takes the door that agents take, at its public address: it leaves through NAT."""
        for index, address in enumerate(addresses, 1):
            cidr = pulumi.Output.concat(address, "/32")
            self._in(Rule(f"nat-{index}", "load_balancer", HTTPS, "canary through NAT"), cidr=cidr)

    def _open(self, rule: Rule) -> None:
        source, target = self._groups.get(rule.source), self._groups.get(rule.target)
        if target is not None:
            self._in(rule, group=source, cidr=rule.source if source is None else None)
        # The pods' group is its owner's, who lets it out.
        if source is not None and rule.source != "pods":
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

"""Controls of who gets in: load balancer, security groups, VPC, endpoints, public addresses, DNS."""

from __future__ import annotations

from collections.abc import Iterator

from tests.unit.aws.controls.registry import adds, at, control, missing, put, without
from tests.unit.aws.controls.stacks import Declared
from tests.unit.aws.mocks import Made

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
LISTENER = "aws:lb/listener:Listener"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
OLD_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
VPC = "aws:ec2/vpc:Vpc"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"
SUBNET = "aws:ec2/subnet:Subnet"
INSTANCE = "aws:ec2/instance:Instance"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
ADDRESS = "aws:ec2/eip:Eip"
NAT = "aws:ec2/natGateway:NatGateway"
ZONE = "aws:route53/zone:Zone"
TLS_POLICIES = ("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", "ELBSecurityPolicy-TLS13-1-2-2021-06")
WORLD = ("0.0.0.0/0", "::/0")
PUBLIC_PORTS = (443, 4317)
"""OTLP over HTTP and over gRPC; 4317 is the port that every SDK uses."""


@control(
    "ELB.1",
    LISTENER,
    breaks=[put(LISTENER, "protocol", "HTTP"), adds(LISTENER, protocol="HTTP", port=80, defaultActions=[])],
)
def nothing_listens_in_plain_text(stack: Declared) -> Iterator[str]:
    """Port 80 is closed instead of redirected: a client that is redirected has already sent its token."""
    yield from missing(stack.of(LISTENER), lambda item: item.inputs["protocol"] == "HTTPS", "plain HTTP")


@control("ELB.18", LISTENER, breaks=[put(LISTENER, "protocol", "TCP"), put(LISTENER, "certificateArn", "")])
def listeners_end_tls(stack: Declared) -> Iterator[str]:
    secure = ("HTTPS", "TLS")
    yield from missing(
        stack.of(LISTENER),
        lambda item: item.inputs["protocol"] in secure and bool(item.inputs.get("certificateArn")),
        "no secure protocol",
    )


@control("ELB.17", LISTENER, breaks=[put(LISTENER, "sslPolicy", "ELBSecurityPolicy-2016-08")])
def listeners_take_no_old_tls(stack: Declared) -> Iterator[str]:
    yield from missing(stack.of(LISTENER), lambda item: item.inputs.get("sslPolicy") in TLS_POLICIES, "its TLS policy")


@control("ELB.4", BALANCER, breaks=[put(BALANCER, "dropInvalidHeaderFields", False)])
def bad_headers_are_dropped(stack: Declared) -> Iterator[str]:
    yield from missing(stack.of(BALANCER), lambda item: item.inputs.get("dropInvalidHeaderFields") is True, "headers")


@control("ELB.12", BALANCER, breaks=[put(BALANCER, "desyncMitigationMode", "monitor")])
def ambiguous_requests_are_refused(stack: Declared) -> Iterator[str]:
    modes = ("defensive", "strictest")
    yield from missing(stack.of(BALANCER), lambda item: item.inputs.get("desyncMitigationMode") in modes, "its mode")


@control("ELB.5", BALANCER, breaks=[put(BALANCER, "accessLogs.enabled", False)])
def access_is_recorded(stack: Declared) -> Iterator[str]:
    yield from missing(
        stack.of(BALANCER),
        lambda item: at(item, "accessLogs.enabled") is True and bool(at(item, "accessLogs.bucket")),
        "no access log",
    )


@control("ELB.6", BALANCER, breaks=[put(BALANCER, "enableDeletionProtection", False)])
def the_front_door_stays_in_prod(stack: Declared) -> Iterator[str]:
    if stack.prod:
        yield from missing(
            stack.of(BALANCER), lambda item: item.inputs.get("enableDeletionProtection") is True, "not protected"
        )


@control("ELB.13", BALANCER, breaks=[put(BALANCER, "subnets", ["one"])])
def the_front_door_is_in_several_zones(stack: Declared) -> Iterator[str]:
    yield from missing(stack.of(BALANCER), lambda item: len(set(item.inputs["subnets"])) >= 2, "one zone")


@control(
    "EC2.2",
    VPC,
    DEFAULT_GROUP,
    breaks=[without(DEFAULT_GROUP), put(DEFAULT_GROUP, "ingress", [{"fromPort": 0}]), adds(VPC)],
)
def default_groups_are_empty(stack: Declared) -> Iterator[str]:
    emptied = {
        item.inputs["vpcId"]
        for item in stack.of(DEFAULT_GROUP)
        if item.inputs.get("ingress") == item.inputs.get("egress") == []
    }
    yield from missing(stack.of(VPC), lambda item: item.id in emptied, "its default group has rules")


@control("EC2.6", VPC, FLOW_LOG, breaks=[without(FLOW_LOG), put(FLOW_LOG, "trafficType", "ACCEPT")])
def flows_are_recorded_in_prod(stack: Declared) -> Iterator[str]:
    recorded = {item.inputs["vpcId"] for item in stack.of(FLOW_LOG) if item.inputs["trafficType"] in ("ALL", "REJECT")}
    if stack.prod:
        yield from missing(stack.of(VPC), lambda item: item.id in recorded, "no flow log")


@control(
    "EC2.9",
    INSTANCE,
    ADDRESS,
    NAT,
    breaks=[put(INSTANCE, "associatePublicIpAddress", True), adds(ADDRESS, instance="i-1")],
)
def machines_have_no_public_address(stack: Declared) -> Iterator[str]:
    yield from missing(
        stack.of(INSTANCE), lambda item: item.inputs.get("associatePublicIpAddress") is False, "a public address"
    )
    used = {item.inputs.get("allocationId") for item in stack.of(NAT)}
    count = len(stack.of(ADDRESS))
    if count != len(stack.of(NAT)) or any(item.inputs.get("instance") for item in stack.of(ADDRESS)) or None in used:
        yield f"{count} elastic addresses: only NAT gateways have one"


@control("EC2.15", SUBNET, breaks=[put(SUBNET, "mapPublicIpOnLaunch", True)])
def subnets_give_no_public_address(stack: Declared) -> Iterator[str]:
    yield from missing(stack.of(SUBNET), lambda item: item.inputs.get("mapPublicIpOnLaunch") is False, "gives them")


def to_the_world(rule: Made) -> bool:
    return rule.inputs.get("cidrIpv4") in WORLD or rule.inputs.get("cidrIpv6") in WORLD


def balancer_groups(stack: Declared) -> set[str]:
    return {group for item in stack.of(BALANCER) for group in item.inputs["securityGroups"]}


OPEN = {"cidrIpv4": "0.0.0.0/0", "ipProtocol": "tcp"}


@control(
    "EC2.18",
    INGRESS,
    GROUP,
    OLD_RULE,
    breaks=[
        adds(INGRESS, securityGroupId="firewall-collector-id", fromPort=443, toPort=443, **OPEN),
        adds(INGRESS, securityGroupId="firewall-load-balancer-id", fromPort=443, toPort=8443, **OPEN),
        adds(GROUP, ingress=[{"cidrBlocks": ["0.0.0.0/0"]}]),
        adds(OLD_RULE),
    ],
)
def the_world_reaches_the_front_door_only(stack: Declared) -> Iterator[str]:
    doors = balancer_groups(stack)
    for rule in stack.of(INGRESS):
        ports = (rule.inputs["fromPort"], rule.inputs["toPort"])
        right = rule.inputs["securityGroupId"] in doors and ports in [(port, port) for port in PUBLIC_PORTS]
        if to_the_world(rule) and not right:
            yield f"{rule.name}: {ports} open to the world"
    yield from missing(stack.of(GROUP), lambda item: not {"ingress", "egress"} & set(item.inputs), "rules inline")
    yield from missing(stack.of(OLD_RULE), lambda _: False, "the old kind of rule")


@control(
    "EC2.19",
    INGRESS,
    EGRESS,
    breaks=[
        adds(INGRESS, securityGroupId="firewall-load-balancer-id", fromPort=0, toPort=65535, **OPEN),
        adds(EGRESS, securityGroupId="firewall-worker-id", fromPort=22, toPort=22, **OPEN),
        adds(INGRESS, securityGroupId="firewall-worker-id", ipProtocol="-1", cidrIpv4="10.0.0.0/8"),
    ],
)
def each_rule_is_one_port(stack: Declared) -> Iterator[str]:
    """No risky port is open to the world, since a rule has one port, and it is one of ours."""
    for rule in stack.of(INGRESS, EGRESS):
        ports = (rule.inputs.get("fromPort"), rule.inputs.get("toPort"))
        if rule.inputs["ipProtocol"] != "tcp" or ports[0] is None or ports[0] != ports[1]:
            yield f"{rule.name}: more than one TCP port"
        wanted = PUBLIC_PORTS if rule.type == INGRESS else (443,)
        if to_the_world(rule) and ports[0] not in wanted:
            yield f"{rule.name}: {ports[0]} and the world"


@control(
    "EC2.53",
    INGRESS,
    breaks=[
        adds(INGRESS, securityGroupId="firewall-load-balancer-id", fromPort=22, toPort=22, **OPEN),
        adds(INGRESS, securityGroupId="firewall-clickhouse-id", fromPort=3389, toPort=3389, ipProtocol="tcp"),
    ],
)
def nobody_administers_by_ssh_or_rdp(stack: Declared) -> Iterator[str]:
    yield from missing(stack.of(INGRESS), lambda item: item.inputs.get("fromPort") not in (22, 3389), "remote access")


for id_, service in {"EC2.55": "ecr.api", "EC2.56": "ecr.dkr", "EC2.57": "ssm"}.items():

    def drop(stack: Declared, service: str = service) -> None:
        stack.made[:] = [
            item for item in stack.made if not str(item.inputs.get("serviceName", "")).endswith(f".{service}")
        ]

    @control(id_, VPC, ENDPOINT, breaks=[drop])
    def prod_reaches_it_at_a_private_address(stack: Declared, service: str = service) -> Iterator[str]:
        reached = {
            item.inputs["vpcId"]
            for item in stack.of(ENDPOINT)
            if item.inputs["serviceName"].endswith(f".{service}") and item.inputs["privateDnsEnabled"] is True
        }
        if stack.prod:
            yield from missing(stack.of(VPC), lambda item: item.id in reached, f"no endpoint for {service}")


@control("Route53.2", ZONE, breaks=[put(ZONE, "vpcs", []), adds(ZONE, name="telemetry.test")])
def zones_are_private(stack: Declared) -> Iterator[str]:
    """Query logs are for public zones; ours is private, and a public one is its owner's (collectorZoneId)."""
    yield from missing(stack.of(ZONE), lambda item: bool(item.inputs.get("vpcs")), "a public zone without a query log")

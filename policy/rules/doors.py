"""Controls of who gets in: load balancer, security groups, VPC, endpoints, public addresses, DNS."""

from __future__ import annotations

from collections.abc import Iterator

from policy.rules.registry import Finding, control, missing
from policy.stack import UNKNOWN, Resource, Stack, at

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
ENDPOINTS = {"EC2.55": "ecr.api", "EC2.56": "ecr.dkr", "EC2.57": "ssm"}


@control("ELB.1", "encryption-in-transit", LISTENER)
def nothing_listens_in_plain_text(stack: Stack) -> Iterator[Finding]:
    """Port 80 is closed instead of redirected: a client that is redirected has already sent its token."""
    yield from missing(stack.of(LISTENER), lambda item: item.inputs["protocol"] == "HTTPS", "plain HTTP")


@control("ELB.18", "encryption-in-transit", LISTENER)
def listeners_end_tls(stack: Stack) -> Iterator[Finding]:
    secure = ("HTTPS", "TLS")
    yield from missing(
        stack.of(LISTENER),
        lambda item: item.inputs["protocol"] in secure and bool(item.inputs.get("certificateArn")),
        "no secure protocol",
    )


@control("ELB.17", "encryption-in-transit", LISTENER)
def listeners_take_no_old_tls(stack: Stack) -> Iterator[Finding]:
    yield from missing(stack.of(LISTENER), lambda item: item.inputs.get("sslPolicy") in TLS_POLICIES, "its TLS policy")


@control("ELB.4", "load-balancer", BALANCER)
def bad_headers_are_dropped(stack: Stack) -> Iterator[Finding]:
    yield from missing(stack.of(BALANCER), lambda item: item.inputs.get("dropInvalidHeaderFields") is True, "headers")


@control("ELB.12", "load-balancer", BALANCER)
def ambiguous_requests_are_refused(stack: Stack) -> Iterator[Finding]:
    modes = ("defensive", "strictest")
    yield from missing(stack.of(BALANCER), lambda item: item.inputs.get("desyncMitigationMode") in modes, "its mode")


@control("ELB.5", "load-balancer", BALANCER)
def access_is_recorded(stack: Stack) -> Iterator[Finding]:
    yield from missing(
        stack.of(BALANCER),
        lambda item: at(item, "accessLogs.enabled") is True and bool(at(item, "accessLogs.bucket")),
        "no access log",
    )


@control("ELB.6", "protected", BALANCER)
def the_front_door_stays_in_prod(stack: Stack) -> Iterator[Finding]:
    if stack.prod:
        yield from missing(
            stack.of(BALANCER), lambda item: item.inputs.get("enableDeletionProtection") is True, "not protected"
        )


@control("ELB.13", "load-balancer", BALANCER)
def the_front_door_is_in_several_zones(stack: Stack) -> Iterator[Finding]:
    def several(item: Resource) -> bool:
        subnets = item.inputs["subnets"]
        # Two that are not known yet are two.
        return subnets == UNKNOWN or len(set(subnets) - {UNKNOWN}) + list(subnets).count(UNKNOWN) >= 2

    yield from missing(stack.of(BALANCER), several, "one zone")


@control("EC2.2", "network", VPC, DEFAULT_GROUP)
def default_groups_are_empty(stack: Stack) -> Iterator[Finding]:
    groups = stack.referring(DEFAULT_GROUP, "vpcId")
    emptied = {vpc for vpc, group in groups.items() if group.inputs.get("ingress") == group.inputs.get("egress") == []}
    yield from missing(stack.of(VPC), lambda item: item.urn in emptied, "its default group has rules")


@control("EC2.6", "network", VPC, FLOW_LOG)
def flows_are_recorded_in_prod(stack: Stack) -> Iterator[Finding]:
    logs = stack.referring(FLOW_LOG, "vpcId")
    recorded = {vpc for vpc, log in logs.items() if log.inputs["trafficType"] in ("ALL", "REJECT")}
    if stack.prod:
        yield from missing(stack.of(VPC), lambda item: item.urn in recorded, "no flow log")


@control("EC2.9", "network", INSTANCE, ADDRESS, NAT)
def machines_have_no_public_address(stack: Stack) -> Iterator[Finding]:
    yield from missing(
        stack.of(INSTANCE), lambda item: item.inputs.get("associatePublicIpAddress") is False, "a public address"
    )
    used = stack.referring(NAT, "allocationId")
    yield from missing(
        stack.of(ADDRESS),
        lambda item: item.urn in used and not item.inputs.get("instance"),
        "an elastic address: only NAT gateways have one",
    )


@control("EC2.15", "no-public-access", SUBNET)
def subnets_give_no_public_address(stack: Stack) -> Iterator[Finding]:
    yield from missing(stack.of(SUBNET), lambda item: item.inputs.get("mapPublicIpOnLaunch") is False, "gives them")


def to_the_world(rule: Resource) -> bool:
    return rule.inputs.get("cidrIpv4") in WORLD or rule.inputs.get("cidrIpv6") in WORLD


@control("EC2.18", "network", INGRESS, GROUP, OLD_RULE, BALANCER)
def the_world_reaches_the_front_door_only(stack: Stack) -> Iterator[Finding]:
    doors = stack.referring(BALANCER, "securityGroups")
    for rule in stack.of(INGRESS):
        ports = (rule.inputs["fromPort"], rule.inputs["toPort"])
        group = rule.refers.get("securityGroupId", frozenset())
        right = group and group <= set(doors) and ports in [(port, port) for port in PUBLIC_PORTS]
        if to_the_world(rule) and not right:
            yield rule, f"port {ports[0]:g} to {ports[1]:g} open to the world"
    yield from missing(stack.of(GROUP), lambda item: not {"ingress", "egress"} & set(item.inputs), "rules inline")
    yield from missing(stack.of(OLD_RULE), lambda _: False, "the old kind of rule")


@control("EC2.19", "no-public-access", INGRESS, EGRESS)
def each_rule_is_one_port(stack: Stack) -> Iterator[Finding]:
    """No risky port is open to the world, since a rule has one port, and it is one of ours."""
    for rule in stack.of(INGRESS, EGRESS):
        ports = (rule.inputs.get("fromPort"), rule.inputs.get("toPort"))
        if rule.inputs["ipProtocol"] != "tcp" or ports[0] is None or ports[0] != ports[1]:
            yield rule, "more than one TCP port"
        wanted = PUBLIC_PORTS if rule.type == INGRESS else (443,)
        if to_the_world(rule) and ports[0] not in wanted:
            yield rule, f"port {ports[0]} and the world"


@control("EC2.53", "no-public-access", INGRESS)
def nobody_administers_by_ssh_or_rdp(stack: Stack) -> Iterator[Finding]:
    yield from missing(stack.of(INGRESS), lambda item: item.inputs.get("fromPort") not in (22, 3389), "remote access")


for id_, service in ENDPOINTS.items():

    @control(id_, "network", VPC, ENDPOINT)
    def prod_reaches_it_at_a_private_address(stack: Stack, service: str = service) -> Iterator[Finding]:
        reached = {
            vpc
            for item in stack.of(ENDPOINT)
            if item.inputs["serviceName"].endswith(f".{service}") and item.inputs.get("privateDnsEnabled") is True
            for vpc in item.refers.get("vpcId", ())
        }
        if stack.prod:
            yield from missing(stack.of(VPC), lambda item: item.urn in reached, f"no endpoint for {service}")


@control("Route53.2", "no-public-access", ZONE)
def zones_are_private(stack: Stack) -> Iterator[Finding]:
    """Query logs are for public zones; ours is private, and a public one is its owner's (collectorZoneId)."""
    yield from missing(stack.of(ZONE), lambda item: bool(item.inputs.get("vpcs")), "a public zone without a query log")

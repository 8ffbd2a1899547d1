"""VPC: address ranges, zones, routes, gateways, endpoints, security group rules."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from tests.providers.standin.cloud import Cloud, Refused, Resource
from tests.providers.standin.regions import zone_ids, zones
from tests.providers.standin.rules.registry import Failures, changed, created, deleted, gone, is_given, values

VPC, SUBNET, GROUP = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ec2/securityGroup:SecurityGroup"
GATEWAY, NAT = "aws:ec2/internetGateway:InternetGateway", "aws:ec2/natGateway:NatGateway"
ENDPOINT, ROUTE = "aws:ec2/vpcEndpoint:VpcEndpoint", "aws:ec2/route:Route"
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
EIP, LB = "aws:ec2/eip:Eip", "aws:lb/loadBalancer:LoadBalancer"
RULES = (
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
)
ADDRESSES = 5
"""The default quota of Elastic IPs in a region."""
SOURCES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")
ROUTE_TARGETS = (
    "gatewayId",
    "natGatewayId",
    "networkInterfaceId",
    "vpcEndpointId",
    "vpcPeeringConnectionId",
    "transitGatewayId",
    "egressOnlyGatewayId",
)
ROUTE_DESTINATIONS = ("destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId")


@values(VPC, SUBNET)
def _ranges(inputs: Mapping[str, Any], region: str) -> Failures:
    block = inputs.get("cidrBlock")
    if block is None:
        return []
    try:
        network = ipaddress.ip_network(block)
    except ValueError as error:
        return [("cidrBlock", f"{block!r} is not a valid CIDR block: {error}")]
    if not 16 <= network.prefixlen <= 28:
        return [("cidrBlock", f"InvalidVpc.Range: the block size of {block} must be between /16 and /28")]
    return []


@values(SUBNET)
def _zone(inputs: Mapping[str, Any], region: str) -> Failures:
    given = [(key, inputs[key]) for key in ("availabilityZone", "availabilityZoneId") if inputs.get(key)]
    if len(given) > 1:
        return [("availabilityZone", "availabilityZone conflicts with availabilityZoneId")]
    known = {"availabilityZone": zones(region), "availabilityZoneId": zone_ids(region)}
    return [
        (key, f"InvalidParameterValue: {value!r} is no zone of {region}: {known[key]}")
        for key, value in given
        if value not in known[key]
    ]


@created(SUBNET)
def _inside_and_alone(cloud: Cloud, subnet: Resource) -> None:
    vpc = cloud.get(VPC, subnet.get("vpcId"))
    mine = ipaddress.ip_network(subnet.get("cidrBlock"))
    if vpc and not mine.subnet_of(ipaddress.ip_network(vpc.get("cidrBlock"))):  # type: ignore[arg-type]
        raise Refused("InvalidSubnet.Range", f"The CIDR '{mine}' is outside of the VPC's {vpc.get('cidrBlock')}")
    for other in cloud.all(SUBNET):
        same_place = other.get("vpcId") == subnet.get("vpcId") and other.id != subnet.id
        if same_place and mine.overlaps(ipaddress.ip_network(other.get("cidrBlock"))):
            raise Refused("InvalidSubnet.Conflict", f"The CIDR '{mine}' conflicts with another subnet ({other.id})")


@created(GATEWAY)
def _one_gateway(cloud: Cloud, gateway: Resource) -> None:
    for other in cloud.all(GATEWAY):
        if other.id != gateway.id and gateway.get("vpcId") and other.get("vpcId") == gateway.get("vpcId"):
            raise Refused(
                "Resource.AlreadyAssociated", f"{gateway.get('vpcId')} has an internet gateway already: {other.id}"
            )


def has_gateway(cloud: Cloud, vpc: str) -> bool:
    return any(item.get("vpcId") == vpc for item in cloud.all(GATEWAY))


def vpc_of(cloud: Cloud, subnet: Any) -> str | None:
    found = cloud.get(SUBNET, str(subnet))
    return found.get("vpcId") if found else None


@deleted(GATEWAY)
def _no_public_address(cloud: Cloud, gateway: Resource, state: Mapping[str, Any]) -> None:
    vpc = gateway.get("vpcId")
    nats = [item for item in cloud.all(NAT) if vpc_of(cloud, item.get("subnetId")) == vpc and item.get("allocationId")]
    balancers = [item for item in cloud.all(LB) if item.get("vpcId") == vpc and not item.get("internal")]
    if nats or balancers:
        raise Refused(
            "DependencyViolation",
            f"Network {vpc} has some mapped public address(es): {[item.id for item in nats + balancers]}",
        )


@created(NAT)
def _nat_reaches_out(cloud: Cloud, nat: Resource) -> None:
    if nat.get("connectivityType", "public") == "public":
        if not nat.get("allocationId"):
            raise Refused("MissingParameter", "a public NAT gateway needs an allocationId")
        vpc = vpc_of(cloud, nat.get("subnetId"))
        if not vpc or not has_gateway(cloud, vpc):
            raise Refused("Gateway.NotAttached", f"Network {vpc} has no Internet gateway attached")


@created(EIP)
def _quota(cloud: Cloud, address: Resource) -> None:
    if len([item for item in cloud.all(EIP) if item.id != address.id]) >= ADDRESSES:
        raise Refused("AddressLimitExceeded", "The maximum number of addresses has been reached.")


@values(ROUTE)
def _one_way(inputs: Mapping[str, Any], region: str) -> Failures:
    destinations = [key for key in ROUTE_DESTINATIONS if is_given(inputs, key)]
    return (
        []
        if len(destinations) == 1
        else [("destinationCidrBlock", f"one of {ROUTE_DESTINATIONS} must be given, got {destinations}")]
    )


@created(ROUTE)
def _new_route(cloud: Cloud, route: Resource) -> None:
    if len([key for key in ROUTE_TARGETS if route.get(key)]) != 1:
        raise Refused("InvalidParameterCombination", f"a route needs exactly one target of {ROUTE_TARGETS}")
    for other in cloud.all(ROUTE):
        if other.id != route.id and all(
            other.get(key) == route.get(key) for key in ("routeTableId", *ROUTE_DESTINATIONS)
        ):
            raise Refused(
                "RouteAlreadyExists", f"{route.get('routeTableId')} has a route to {route.get('destinationCidrBlock')}"
            )
    gateway = cloud.get(GATEWAY, route.get("gatewayId", ""))
    table = cloud.get("aws:ec2/routeTable:RouteTable", route.get("routeTableId"))
    if gateway and table and gateway.get("vpcId") != table.get("vpcId"):
        raise Refused(
            "InvalidParameterValue", f"route table {table.id} and gateway {gateway.id} belong to different networks"
        )


@created(ASSOCIATION)
def _one_table(cloud: Cloud, association: Resource) -> None:
    for other in cloud.all(ASSOCIATION):
        if (
            other.id != association.id
            and association.get("subnetId")
            and other.get("subnetId") == association.get("subnetId")
        ):
            raise Refused(
                "Resource.AlreadyAssociated",
                f"{association.get('subnetId')} is associated with {other.get('routeTableId')}",
            )


@values(*RULES)
def _rule_form(inputs: Mapping[str, Any], region: str) -> Failures:
    if sum(1 for key in SOURCES if is_given(inputs, key)) != 1:
        return [("cidrIpv4", f"exactly one of {SOURCES} must be given")]
    failures: Failures = []
    if inputs.get("ipProtocol") == "-1" and (inputs.get("fromPort") is not None or inputs.get("toPort") is not None):
        failures.append(("fromPort", "all protocols (-1) take no ports"))
    if inputs.get("ipProtocol") in ("tcp", "udp") and not (is_given(inputs, "fromPort") and is_given(inputs, "toPort")):
        failures.append(("fromPort", "tcp and udp need fromPort and toPort"))
    if block := inputs.get("cidrIpv4"):
        try:
            ipaddress.IPv4Network(block)
        except ValueError as error:
            failures.append(("cidrIpv4", f"InvalidParameterValue: {block}: {error}"))
    return failures


@created(*RULES)
def _rule_is_new(cloud: Cloud, rule: Resource) -> None:
    keys = ("securityGroupId", "ipProtocol", "fromPort", "toPort", *SOURCES)
    for other in cloud.all(rule.type):
        if other.id != rule.id and all(other.get(key) == rule.get(key) for key in keys):
            raise Refused("InvalidPermission.Duplicate", f"the specified rule already exists: {other.id}")


@gone(GROUP)
def _rules_go_too(cloud: Cloud, group: Resource, state: Mapping[str, Any]) -> None:
    for rule in cloud.all(*RULES):
        if rule.get("securityGroupId") == group.id:
            cloud.remove(rule.type, rule.id)


def check_groups(cloud: Cloud, groups: list[str], vpc: str | None) -> None:
    """Security groups have to be of the thing's own VPC."""
    for id_ in groups or []:
        group = cloud.get(GROUP, id_)
        if group and vpc and group.get("vpcId") != vpc:
            raise Refused("InvalidGroup.NotFound", f"The security group '{id_}' does not belong to VPC '{vpc}'")


def distinct_zones(cloud: Cloud, subnets: list[str], code: str) -> list[str]:
    """The subnets' zones; two subnets in one zone are refused."""
    found = [item.get("availabilityZone") for id_ in subnets if (item := cloud.get(SUBNET, id_))]
    if len(set(found)) != len(found):
        raise Refused(code, f"subnets must be in different zones: {found}")
    return found


@created(ENDPOINT)
def _endpoint(cloud: Cloud, endpoint: Resource) -> None:
    service, kind = str(endpoint.get("serviceName", "")), endpoint.get("vpcEndpointType")
    region = str(endpoint.get("region") or endpoint.arn.split(":")[3])
    if not service.startswith(f"com.amazonaws.{region}."):
        raise Refused("InvalidServiceName", f"The Vpc Endpoint Service '{service}' does not exist")
    if kind == "Gateway" and service.rsplit(".", 1)[-1] not in ("s3", "dynamodb"):
        raise Refused("InvalidParameter", f"{service} has no gateway endpoint")
    vpc = cloud.get(VPC, endpoint.get("vpcId"))
    if kind == "Interface":
        distinct_zones(cloud, endpoint.get("subnetIds", []), "DuplicateSubnetsInSameZone")
        check_groups(cloud, endpoint.get("securityGroupIds", []), endpoint.get("vpcId"))
    if endpoint.get("privateDnsEnabled") and vpc:
        if not (vpc.get("enableDnsSupport") and vpc.get("enableDnsHostnames")):
            raise Refused(
                "InvalidParameter",
                "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true",
            )
        for other in cloud.all(ENDPOINT):
            same = all(other.get(key) == endpoint.get(key) for key in ("vpcId", "serviceName", "privateDnsEnabled"))
            if same and other.id != endpoint.id:
                raise Refused(
                    "InvalidParameter",
                    f"private-dns-enabled cannot be set because there is already a conflicting DNS domain for {service}",
                )


@changed(VPC)
def _dns_in_use(cloud: Cloud, old: Resource, new: Resource, paths: list[str]) -> None:
    if old.get("cidrBlock") != new.get("cidrBlock"):
        raise Refused("InvalidParameter", "a VPC's CIDR block can't be changed")

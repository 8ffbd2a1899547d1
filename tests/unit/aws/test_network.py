"""The VPC that is made: addresses that never move, stable zones, ways out; and one that is given, checked."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from infra.aws.addresses import ranges
from infra.aws.given_network import Subnet, check
from infra.aws.network import Network, NetworkArgs
from infra.aws.zones import first
from infra.errors import UserError
from infra.settings.rules import VPC_PREFIXES
from tests.unit.aws.aws_settings import LARGE, SMALL, context, settings
from tests.unit.aws.ground import ground
from tests.unit.aws.mocks import Made, program, value

SUBNET = "aws:ec2/subnet:Subnet"
ROUTE = "aws:ec2/route:Route"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"


def by_name(items: list[Made]) -> dict[str, dict[str, Any]]:
    return {item.name: item.inputs for item in items}


@pytest.mark.parametrize("prefix", range(VPC_PREFIXES[0], VPC_PREFIXES[1] + 1))
def test_three_zones_fit_into_every_allowed_size(prefix: int) -> None:
    whole = ipaddress.IPv4Network(f"10.80.0.0/{prefix}")
    found = ranges(str(whole))
    networks = [ipaddress.IPv4Network(item) for item in (*found.public, *found.private)]
    assert len(networks) == 6
    assert all(item.subnet_of(whole) for item in networks)
    assert not any(a.overlaps(b) for a in networks for b in networks if a is not b)
    assert all(item.num_addresses >= 64 for item in networks), "a load balancer wants /27 with eight free addresses"


def test_a_third_zone_moves_nothing() -> None:
    two = by_name(ground(settings(networkZones=2)).cloud.of(SUBNET))
    three = by_name(ground(settings(networkZones=3)).cloud.of(SUBNET))
    assert len(two) == 4 and len(three) == 6
    assert {name: three[name] for name in two} == two


def test_zones_are_the_first_by_id_and_a_subnet_that_stands_keeps_its_own() -> None:
    made = ground(settings())
    subnets = by_name(made.cloud.of(SUBNET))
    assert subnets["network-private-1"]["availabilityZoneId"] == "euc1-az1"
    assert subnets["network-private-2"]["availabilityZoneId"] == "euc1-az2"
    assert subnets["network-public-1"]["availabilityZoneId"] == "euc1-az1"
    for item in made.cloud.of(SUBNET):
        assert made.cloud.options(item).ignore_changes == ["availabilityZoneId"]
    assert [value(zone) for zone in made.network.zones] == ["eu-central-1c", "eu-central-1a"]
    [(_, asked)] = [call for call in made.cloud.calls if "AvailabilityZones" in call[0]]
    assert asked["state"] == "available" and asked["excludeZoneIds"] == ["use1-az3"]


def test_named_zones_are_taken_in_their_order_without_asking() -> None:
    made = ground(settings(networkZoneIds=["euc1-az3", "euc1-az2", "euc1-az1"]))
    subnets = by_name(made.cloud.of(SUBNET))
    assert [subnets[f"network-private-{index}"]["availabilityZoneId"] for index in (1, 2)] == ["euc1-az3", "euc1-az2"]
    assert made.cloud.calls == []
    assert made.cloud.options(made.cloud.of(SUBNET)[0]).ignore_changes == []


def test_a_region_with_too_few_zones_is_named() -> None:
    with pytest.raises(UserError, match="networkZones: 3, and us-west-1 has 2 usable zones: usw1-az1, usw1-az3"):
        first(["usw1-az3", "usw1-az1"], 3, "us-west-1")


def test_nothing_gets_a_public_address_and_the_default_group_is_empty() -> None:
    cloud = ground(settings(LARGE)).cloud
    assert not any(item.inputs["mapPublicIpOnLaunch"] for item in cloud.of(SUBNET))
    group = cloud.one("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup").inputs
    assert group["ingress"] == [] and group["egress"] == []
    vpc = cloud.one("aws:ec2/vpc:Vpc").inputs
    assert vpc["enableDnsSupport"] is True and vpc["enableDnsHostnames"] is True


@pytest.mark.parametrize(("nat", "gateways"), [("one", ["1", "1", "1"]), ("zone", ["1", "2", "3"])])
def test_each_private_subnet_leaves_through_the_nat_that_is_set(nat: str, gateways: list[str]) -> None:
    cloud = ground(settings(LARGE, networkNat=nat)).cloud
    routes = by_name(cloud.of(ROUTE))
    used = [routes[f"network-private-{index}-out"]["natGatewayId"] for index in (1, 2, 3)]
    assert used == [f"network-nat-{index}-id" for index in gateways]
    assert len(cloud.of("aws:ec2/natGateway:NatGateway")) == len(set(gateways))
    assert routes["network-public-out"]["gatewayId"] == "network-internet-id"


def test_more_nat_gateways_change_routes_and_replace_no_table() -> None:
    one = by_name(ground(settings(LARGE, networkNat="one")).cloud.of("aws:ec2/routeTable:RouteTable"))
    zone = by_name(ground(settings(LARGE, networkNat="zone")).cloud.of("aws:ec2/routeTable:RouteTable"))
    assert one == zone


def test_s3_is_reached_directly_from_every_subnet() -> None:
    cloud = ground(settings(LARGE)).cloud
    tables = {item.id for item in cloud.of("aws:ec2/routeTable:RouteTable")}
    gateway = cloud.one(ENDPOINT, "network-s3").inputs
    assert gateway["vpcEndpointType"] == "Gateway" and set(gateway["routeTableIds"]) == tables and len(tables) == 4


def test_interface_endpoints_answer_under_aws_own_names_in_each_zone() -> None:
    cloud = ground(settings(LARGE)).cloud
    made = [item.inputs for item in cloud.of(ENDPOINT) if item.inputs["vpcEndpointType"] == "Interface"]
    services = {item["serviceName"] for item in made}
    assert services == {"com.amazonaws.eu-central-1.ssm", "com.amazonaws.eu-central-1.ecr.api"}
    for item in made:
        assert item["privateDnsEnabled"] is True and len(item["subnetIds"]) == 3
        assert item["securityGroupIds"] == ["firewall-endpoints-id"]


def test_flow_logs_are_encrypted_and_their_writer_can_make_no_group() -> None:
    cloud = ground(settings(LARGE)).cloud
    log = cloud.one("aws:ec2/flowLog:FlowLog").inputs
    assert log["trafficType"] == "ALL" and log["vpcId"] == "network-vpc-id"
    group = cloud.one("aws:cloudwatch/logGroup:LogGroup", "network-flows-logs").inputs
    assert group["kmsKeyId"] and group["retentionInDays"] == 30
    policy = cloud.one("aws:iam/rolePolicy:RolePolicy", "network-flows-role-policy").inputs["policy"]
    assert "logs:PutLogEvents" in policy and "CreateLogGroup" not in policy
    assert not ground(settings(SMALL)).cloud.of("aws:ec2/flowLog:FlowLog")


def test_what_msk_leaves_behind_is_waited_for() -> None:
    cloud = ground(settings()).cloud
    for item in [*cloud.of(SUBNET), *cloud.of("aws:ec2/securityGroup:SecurityGroup")]:
        assert cloud.options(item).delete_timeout == "60m"


def test_a_given_vpc_is_taken_and_nothing_is_made_in_it() -> None:
    public, private = ["subnet-a", "subnet-b"], ["subnet-c", "subnet-d"]
    zones = dict(zip([*public, *private], ["eu-central-1a", "eu-central-1b"] * 2, strict=True))
    found = settings(networkVpcId="vpc-1", networkPublicSubnetIds=public, networkPrivateSubnetIds=private)
    with program() as cloud:
        cloud.answer = lambda token, args: (
            {"vpcId": "vpc-1", "availabilityZone": zones[args["id"]], "availabilityZoneId": "z"}
            if token.endswith("getSubnet")
            else {"cidrBlock": "10.1.0.0/16"}
        )
        network = Network("network", NetworkArgs(context(found), "arn:key"))
    assert [item.type for item in cloud.made] == ["agent-telemetry:aws:Network"]
    assert (value(network.vpc_id), value(network.cidr)) == ("vpc-1", "10.1.0.0/16")
    assert [value(zone) for zone in network.zones] == ["eu-central-1a", "eu-central-1b"]
    assert [value(subnet) for subnet in network.public_subnet_ids] == public
    assert [value(subnet) for subnet in network.private_subnet_ids] == private
    assert network.nat_addresses == []


def place(name: str, zone: str, vpc: str = "vpc-1") -> Subnet:
    return Subnet(name, vpc, zone, f"id-{zone}")


def test_given_subnets_that_fit_are_taken_in_their_order() -> None:
    public = [place("p1", "a"), place("p2", "b")]
    private = [place("q1", "b"), place("q2", "a")]
    assert check("vpc-1", public, private) == private


def test_everything_wrong_with_given_subnets_is_in_one_message() -> None:
    public = [place("p1", "a"), place("p2", "a", vpc="vpc-2")]
    private = [place("q1", "a"), place("q2", "b")]
    with pytest.raises(UserError) as caught:
        check("vpc-1", public, private)
    text = str(caught.value)
    assert "networkPublicSubnetIds: p2 is in vpc-2, not in vpc-1" in text
    assert "networkPublicSubnetIds: p2 is a second one in a" in text
    assert "none in b, where private subnets are" in text

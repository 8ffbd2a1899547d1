"""The stand-in AWS refuses what EC2 and VPC refuse: a stand-in that says yes to anything proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.providers.direct import Direct
from tests.providers.standin.cloud import Cloud, Refused, Resource

VPC, SUBNET, GROUP = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ec2/securityGroup:SecurityGroup"
INSTANCE, VOLUME, ATTACHMENT = (
    "aws:ec2/instance:Instance",
    "aws:ebs/volume:Volume",
    "aws:ec2/volumeAttachment:VolumeAttachment",
)
GATEWAY, NAT, EIP = "aws:ec2/internetGateway:InternetGateway", "aws:ec2/natGateway:NatGateway", "aws:ec2/eip:Eip"
INGRESS, ENDPOINT = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "aws:ec2/vpcEndpoint:VpcEndpoint"
TABLE, ROUTE = "aws:ec2/routeTable:RouteTable", "aws:ec2/route:Route"
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
ZONE_A, ZONE_B = "eu-central-1a", "eu-central-1b"
AMI = "ami-0aaaaaaaaaaaaaaaa"


class Place(Direct):
    """A VPC with a subnet, a group, an image and a node."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        cloud.put(Resource("stand-in/ami", AMI, outputs={"architecture": "arm64"}))
        self.vpc = self.create(VPC, cidrBlock="10.0.0.0/16").id
        self.subnet = self.create(SUBNET, vpcId=self.vpc, cidrBlock="10.0.1.0/24", availabilityZone=ZONE_A).id
        self.group = self.create(GROUP, vpcId=self.vpc).id
        self.node = self.create(INSTANCE, **self.a_node()).id

    def a_node(self, **changes: Any) -> dict[str, Any]:
        base = {"ami": AMI, "instanceType": "m7g.large", "subnetId": self.subnet, "vpcSecurityGroupIds": [self.group]}
        return base | changes


@pytest.fixture
def aws(tmp_path: Path) -> Place:
    return Place(Cloud(tmp_path))


def other_vpc(aws: Place) -> str:
    return aws.create(VPC, "other", cidrBlock="10.9.0.0/16").id


REFUSED: dict[str, tuple[str, Callable[[Place], Any]]] = {
    "an unknown input": (
        "Invalid or unknown key",
        lambda aws: aws.create(VPC, "x", cidrBlock="10.1.0.0/16", colour="red"),
    ),
    "an unknown nested input": (
        "metadataOptions.tokens",
        lambda aws: aws.create(INSTANCE, "x", **aws.a_node(metadataOptions={"tokens": "required"})),
    ),
    "a wrong type": (
        "expected bool, got str 'yes'",
        lambda aws: aws.create(VPC, "x", cidrBlock="10.1.0.0/16", enableDnsSupport="yes"),
    ),
    "a number for a string": (
        "expected str, got int",
        lambda aws: aws.create(INSTANCE, "x", **aws.a_node(instanceType=5)),
    ),
    "a string for a list": (
        "expected a list",
        lambda aws: aws.create(INSTANCE, "x", **aws.a_node(vpcSecurityGroupIds=aws.group)),
    ),
    "a missing input": ("'vpcId' is required", lambda aws: aws.create(SUBNET, "x", cidrBlock="10.0.2.0/24")),
    "an unknown resource type": ("in no installed SDK", lambda aws: aws.create("aws:ec2/nonsense:Nonsense", "x")),
    "a value that is not offered": (
        "expected metadataOptions.httpTokens to be one of",
        lambda aws: aws.create(INSTANCE, "x", **aws.a_node(metadataOptions={"httpTokens": "always"})),
    ),
    "a VPC range that is too large": ("between /16 and /28", lambda aws: aws.create(VPC, "x", cidrBlock="10.0.0.0/8")),
    "a VPC range that is none": ("not a valid CIDR block", lambda aws: aws.create(VPC, "x", cidrBlock="10.0.0.1/16")),
    "a subnet outside of its VPC": (
        "InvalidSubnet.Range",
        lambda aws: aws.create(SUBNET, "x", vpcId=aws.vpc, cidrBlock="10.1.0.0/24", availabilityZone=ZONE_B),
    ),
    "overlapping subnets": (
        "InvalidSubnet.Conflict",
        lambda aws: aws.create(SUBNET, "x", vpcId=aws.vpc, cidrBlock="10.0.1.128/25", availabilityZone=ZONE_B),
    ),
    "a subnet in a zone elsewhere": (
        "is no zone of eu-central-1",
        lambda aws: aws.create(SUBNET, "x", vpcId=aws.vpc, cidrBlock="10.0.2.0/24", availabilityZone="us-east-1a"),
    ),
    "a VPC that is not there": (
        "InvalidVpcID.NotFound",
        lambda aws: aws.create(SUBNET, "x", vpcId="vpc-0", cidrBlock="10.0.2.0/24", availabilityZone=ZONE_B),
    ),
    "a subnet that is not there": (
        "InvalidSubnetID.NotFound",
        lambda aws: aws.create(INSTANCE, "x", **aws.a_node(subnetId="subnet-0")),
    ),
    "a group that is not there": (
        "InvalidGroup.NotFound",
        lambda aws: aws.create(INSTANCE, "x", **aws.a_node(vpcSecurityGroupIds=["sg-0"])),
    ),
    "a group of another VPC": (
        "does not belong to VPC",
        lambda aws: aws.create(
            INSTANCE, "x", **aws.a_node(vpcSecurityGroupIds=[aws.create(GROUP, "o", vpcId=other_vpc(aws)).id])
        ),
    ),
    "an image that is not there": (
        "InvalidAMIID.NotFound",
        lambda aws: aws.create(INSTANCE, "x", **aws.a_node(ami="ami-0")),
    ),
    "an image for another architecture": (
        "does not match the architecture 'arm64'",
        lambda aws: aws.create(INSTANCE, "x", **aws.a_node(instanceType="m7i.large")),
    ),
    "an instance type that is none": (
        "Invalid value 'm7g.enormous'",
        lambda aws: aws.create(INSTANCE, "x", **aws.a_node(instanceType="m7g.enormous")),
    ),
    "a profile that is not there": (
        "Invalid IAM Instance Profile",
        lambda aws: aws.create(INSTANCE, "x", **aws.a_node(iamInstanceProfile="none")),
    ),
    "too much user data": (
        "limited to 16384 bytes",
        lambda aws: aws.create(INSTANCE, "x", **aws.a_node(userData="x" * 16385)),
    ),
    "an address outside of the subnet": (
        "does not fall within",
        lambda aws: aws.create(INSTANCE, "x", **aws.a_node(privateIp="10.0.2.9")),
    ),
    "an address that is taken": (
        "InvalidIPAddress.InUse",
        lambda aws: aws.create(INSTANCE, "x", **aws.a_node(privateIp="10.0.1.4")),
    ),
    "a group's name that is taken": (
        "InvalidGroup.Duplicate",
        lambda aws: [aws.create(GROUP, name, vpcId=aws.vpc, name="same") for name in "xy"],
    ),
    "a group's name that AWS reserves": (
        "invalid value for name",
        lambda aws: aws.create(GROUP, "sg-x", vpcId=aws.vpc),
    ),
    "deleting a VPC with subnets": ("DependencyViolation", lambda aws: aws.delete(VPC)),
    "deleting a subnet with instances": ("DependencyViolation", lambda aws: aws.delete(SUBNET)),
    "deleting a group of an instance": ("DependencyViolation", lambda aws: aws.delete(GROUP)),
    "a second gateway": (
        "has an internet gateway already",
        lambda aws: [aws.create(GATEWAY, name, vpcId=aws.vpc) for name in "xy"],
    ),
    "a public NAT gateway without a way out": (
        "Gateway.NotAttached",
        lambda aws: aws.create(NAT, subnetId=aws.subnet, allocationId=aws.create(EIP, domain="vpc").id),
    ),
    "an allocation that is not there": (
        "InvalidAllocationID.NotFound",
        lambda aws: aws.create(NAT, subnetId=aws.subnet, allocationId="eipalloc-0"),
    ),
    "a sixth address": (
        "AddressLimitExceeded",
        lambda aws: [aws.create(EIP, str(number), domain="vpc") for number in range(6)],
    ),
    "a rule of two sources": (
        "exactly one of",
        lambda aws: aws.create(
            INGRESS,
            securityGroupId=aws.group,
            ipProtocol="tcp",
            fromPort=1,
            toPort=1,
            cidrIpv4="10.0.0.0/8",
            referencedSecurityGroupId=aws.group,
        ),
    ),
    "a rule of no source": (
        "exactly one of",
        lambda aws: aws.create(INGRESS, securityGroupId=aws.group, ipProtocol="tcp", fromPort=1, toPort=1),
    ),
    "a rule twice": (
        "InvalidPermission.Duplicate",
        lambda aws: [
            aws.create(
                INGRESS, name, securityGroupId=aws.group, ipProtocol="tcp", fromPort=1, toPort=1, cidrIpv4="10.0.0.0/8"
            )
            for name in "xy"
        ],
    ),
    "a rule without ports": (
        "need fromPort and toPort",
        lambda aws: aws.create(INGRESS, securityGroupId=aws.group, ipProtocol="tcp", cidrIpv4="10.0.0.0/8"),
    ),
    "an endpoint of no service": (
        "InvalidServiceName",
        lambda aws: aws.create(ENDPOINT, vpcId=aws.vpc, serviceName="com.amazonaws.us-east-1.s3"),
    ),
    "a gateway endpoint that there is not": (
        "has no gateway endpoint",
        lambda aws: aws.create(ENDPOINT, vpcId=aws.vpc, serviceName="com.amazonaws.eu-central-1.ssm"),
    ),
    "private names without DNS host names": (
        "enableDnsHostnames",
        lambda aws: aws.create(
            ENDPOINT,
            vpcId=aws.vpc,
            serviceName="com.amazonaws.eu-central-1.ssm",
            vpcEndpointType="Interface",
            subnetIds=[aws.subnet],
            privateDnsEnabled=True,
        ),
    ),
    "a volume of no size": ("size or snapshotId", lambda aws: aws.create(VOLUME, availabilityZone=ZONE_A)),
    "throughput on a type that has none": (
        "throughput is not supported for gp2",
        lambda aws: aws.create(VOLUME, availabilityZone=ZONE_A, size=10, throughput=125),
    ),
    "IOPS out of range": (
        "not between 3000 and 80000",
        lambda aws: aws.create(VOLUME, availabilityZone=ZONE_A, size=10, type="gp3", iops=100),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_ec2_refuses(aws: Place, case: str) -> None:
    said, attempt = REFUSED[case]
    with pytest.raises(Refused) as refused:
        attempt(aws)
    assert said in str(refused.value)


def attached(aws: Place, zone: str = ZONE_A) -> str:
    volume = aws.create(VOLUME, availabilityZone=zone, size=100, type="gp3").id
    aws.create(ATTACHMENT, instanceId=aws.node, volumeId=volume, deviceName="/dev/sdf")
    return volume


def test_a_volume_is_attached_once_in_its_own_zone_and_not_deleted_under_an_instance(aws: Place) -> None:
    volume = attached(aws)
    second = aws.create(INSTANCE, "second", **aws.a_node()).id
    with pytest.raises(Refused, match=f"{volume} is already attached to an instance \\({aws.node}\\)"):
        aws.create(ATTACHMENT, "second", instanceId=second, volumeId=volume, deviceName="/dev/sdf")
    with pytest.raises(Refused, match="VolumeInUse"):
        aws.delete(VOLUME)
    elsewhere = aws.create(VOLUME, "elsewhere", availabilityZone=ZONE_B, size=100, type="gp3").id
    with pytest.raises(Refused, match="ZoneMismatch"):
        aws.create(ATTACHMENT, "third", instanceId=second, volumeId=elsewhere, deviceName="/dev/sdf")
    with pytest.raises(Refused, match="not a valid EBS device name"):
        aws.create(ATTACHMENT, "fourth", instanceId=second, volumeId=elsewhere, deviceName="/data")
    third = aws.create(VOLUME, "third", availabilityZone=ZONE_A, size=100, type="gp3").id
    with pytest.raises(Refused, match="already in use"):
        aws.create(ATTACHMENT, "fifth", instanceId=aws.node, volumeId=third, deviceName="/dev/sdf")


def test_a_terminated_instance_lets_go_of_its_volume(aws: Place) -> None:
    volume = attached(aws)
    aws.delete(INSTANCE)
    second = aws.create(INSTANCE, "second", **aws.a_node()).id
    aws.create(ATTACHMENT, "second", instanceId=second, volumeId=volume, deviceName="/dev/sdf")


def test_a_volume_only_grows(aws: Place) -> None:
    aws.create(VOLUME, availabilityZone=ZONE_A, size=100, type="gp3")
    assert aws.replaces(VOLUME, size=200) == []
    aws.update(VOLUME, size=200)
    with pytest.raises(Refused, match="cannot be smaller than existing size"):
        aws.update(VOLUME, size=150)


def test_a_protected_instance_is_not_terminated(aws: Place) -> None:
    aws.update(INSTANCE, disableApiTermination=True)
    with pytest.raises(Refused, match="OperationNotPermitted"):
        aws.delete(INSTANCE)
    aws.update(INSTANCE, disableApiTermination=True, forceDestroy=True)
    aws.delete(INSTANCE)


def test_a_gateway_stays_while_there_are_public_addresses(aws: Place) -> None:
    aws.create(GATEWAY, vpcId=aws.vpc)
    aws.create(EIP, domain="vpc")
    aws.create(NAT, subnetId=aws.subnet, allocationId=aws.resource(EIP).id)
    with pytest.raises(Refused, match="some mapped public address"):
        aws.delete(GATEWAY)
    with pytest.raises(Refused, match=r"InvalidIPAddress.InUse"):
        aws.delete(EIP)
    aws.delete(NAT)
    aws.delete(EIP)
    aws.delete(GATEWAY)


def test_routes_are_new_and_tables_are_kept_while_associated(aws: Place) -> None:
    gateway, table = aws.create(GATEWAY, vpcId=aws.vpc).id, aws.create(TABLE, vpcId=aws.vpc).id
    aws.create(ROUTE, routeTableId=table, destinationCidrBlock="0.0.0.0/0", gatewayId=gateway)
    with pytest.raises(Refused, match="RouteAlreadyExists"):
        aws.create(ROUTE, "second", routeTableId=table, destinationCidrBlock="0.0.0.0/0", gatewayId=gateway)
    with pytest.raises(Refused, match="exactly one target"):
        aws.create(ROUTE, "third", routeTableId=table, destinationCidrBlock="10.9.0.0/16")
    aws.create(ASSOCIATION, subnetId=aws.subnet, routeTableId=table)
    with pytest.raises(Refused, match="AlreadyAssociated"):
        aws.create(ASSOCIATION, "second", subnetId=aws.subnet, routeTableId=table)
    with pytest.raises(Refused, match="DependencyViolation"):
        aws.delete(TABLE)


def test_a_group_that_another_ones_rule_names_is_in_use_and_its_own_rules_go_with_it(aws: Place) -> None:
    named = aws.create(GROUP, "named", vpcId=aws.vpc).id
    aws.create(
        INGRESS, securityGroupId=aws.group, ipProtocol="tcp", fromPort=1, toPort=1, referencedSecurityGroupId=named
    )
    aws.create(
        INGRESS, "own", securityGroupId=named, ipProtocol="tcp", fromPort=1, toPort=1, referencedSecurityGroupId=named
    )
    with pytest.raises(Refused, match="DependencyViolation"):
        aws.delete(GROUP, "named")
    aws.delete(INGRESS)
    aws.delete(INGRESS, "own")
    aws.delete(GROUP, "named")


def test_a_region_is_needed_and_an_account_that_is_not_allowed_is_refused(tmp_path: Path) -> None:
    from tests.providers.standin.aws import Aws

    with pytest.raises(Refused, match="Invalid AWS Region"):
        Aws(Cloud(tmp_path)).configure({"region": "atlantis"})
    with pytest.raises(Refused, match="AWS account ID not allowed: 111122223333"):
        Aws(Cloud(tmp_path)).configure({"region": "eu-central-1", "allowedAccountIds": '["999999999999"]'})
    assert Aws(Cloud(tmp_path)).check_config({"regoin": "x"})

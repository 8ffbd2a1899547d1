"""The network: a VPC of two or three zones made here, or one that exists, by id, or another stack's.

Public subnets hold the load balancer and the NAT gateways, private ones everything else. What each part may say to
which is in firewall.py; interface endpoints, which need a security group, are in vpc_endpoints.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws.addresses import ranges
from infra.aws.context import Context
from infra.aws.flow_logs import flow_logs
from infra.aws.given_network import given
from infra.aws.lent import Lent
from infra.aws.zones import zone_ids

ANYWHERE = "0.0.0.0/0"
LEFTOVERS = pulumi.CustomTimeouts(delete="60m")
"""MSK leaves its network interfaces behind for a while: until then AWS refuses to delete subnets and groups."""


@dataclass(frozen=True)
class NetworkArgs:
    """What the network needs."""

    context: Context
    key_arn: pulumi.Input[str]
    """Encrypts the flow logs."""


class Network(pulumi.ComponentResource):
    """Ids of the VPC and its subnets, one of each kind a zone, in the order of `zones`."""

    vpc_id: pulumi.Output[str]
    cidr: pulumi.Output[str]
    zones: list[pulumi.Output[str]]
    """Names of the zones (eu-central-1a). A volume takes its zone from here, never from its instance."""
    public_subnet_ids: list[pulumi.Output[str]]
    private_subnet_ids: list[pulumi.Output[str]]
    nat_addresses: Sequence[pulumi.Input[str]] | pulumi.Output[Sequence[str]]
    """From where the private subnets' traffic comes on the internet; empty in a given VPC: its owner knows."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:Network", name, None, opts)
        if lent := args.context.lends("network"):
            self._lent(lent, args.context.settings.networkZones)
        elif args.context.settings.networkVpcId:
            self._given(args)
        else:
            self._made(name, args)
        self.register_outputs({"vpcId": self.vpc_id, "privateSubnetIds": self.private_subnet_ids})

    def _lent(self, lent: Lent, zones: int) -> None:
        self.vpc_id, self.cidr = lent.value("network", "vpcId"), lent.value("network", "cidr")
        self.zones = lent.zones("name", zones)
        self.public_subnet_ids, self.private_subnet_ids = lent.zones("public", zones), lent.zones("private", zones)
        self.nat_addresses = lent.value("network", "natAddresses")

    def _given(self, args: NetworkArgs) -> None:
        settings = args.context.settings
        found = given(settings, pulumi.InvokeOptions(parent=self))
        self.vpc_id, self.cidr, self.zones = found.vpc_id, found.cidr, found.zones
        self.public_subnet_ids, self.private_subnet_ids = found.public, found.private
        self.nat_addresses = []

    def _made(self, name: str, args: NetworkArgs) -> None:
        context = args.context
        settings = context.settings
        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=settings.networkCidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            opts=context.options(self),
        )
        self.vpc_id, self.cidr = vpc.id, vpc.cidr_block
        # Without rules: what forgets to name a group of its own reaches nothing.
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default-group", vpc_id=vpc.id, ingress=[], egress=[], opts=context.options(self)
        )
        public, private = self._subnets(name, context, vpc)
        self.zones = [subnet.availability_zone for subnet in private]
        self.public_subnet_ids = [subnet.id for subnet in public]
        self.private_subnet_ids = [subnet.id for subnet in private]
        tables = self._routes(name, context, vpc, public, private)
        aws.ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{settings.awsRegion}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            opts=context.options(self),
        )
        if settings.networkFlowLogs:
            flow_logs(context, self, vpc.id, args.key_arn)

    def _subnets(
        self, name: str, context: Context, vpc: aws.ec2.Vpc
    ) -> tuple[list[aws.ec2.Subnet], list[aws.ec2.Subnet]]:
        settings = context.settings
        cidrs = ranges(settings.networkCidr)
        # A subnet that stands keeps its zone whatever a later look-up answers; one that was named follows its name.
        kept = [] if settings.networkZoneIds else ["availabilityZoneId"]
        options = context.options(self, ignore_changes=kept, custom_timeouts=LEFTOVERS)
        kinds: dict[str, list[aws.ec2.Subnet]] = {"public": [], "private": []}
        for index, zone in enumerate(zone_ids(context, self)):
            for kind, subnets in kinds.items():
                subnets.append(
                    aws.ec2.Subnet(
                        f"{name}-{kind}-{index + 1}",
                        vpc_id=vpc.id,
                        availability_zone_id=zone,
                        cidr_block=(cidrs.public if kind == "public" else cidrs.private)[index],
                        # Nothing gets a public address by being there; the load balancer and NAT bring their own.
                        map_public_ip_on_launch=False,
                        opts=options,
                    )
                )
        return kinds["public"], kinds["private"]

    def _routes(
        self,
        name: str,
        context: Context,
        vpc: aws.ec2.Vpc,
        public: list[aws.ec2.Subnet],
        private: list[aws.ec2.Subnet],
    ) -> list[aws.ec2.RouteTable]:
        """One table for the public subnets and one for each private one, so that more NAT gateways change routes only."""
        options = context.options(self)
        gateway = aws.ec2.InternetGateway(f"{name}-internet", vpc_id=vpc.id, opts=options)
        table = aws.ec2.RouteTable(f"{name}-public", vpc_id=vpc.id, opts=options)
        out = aws.ec2.Route(
            f"{name}-public-out",
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway.id,
            opts=options,
        )
        for index, subnet in enumerate(public, 1):
            aws.ec2.RouteTableAssociation(
                f"{name}-public-{index}", route_table_id=table.id, subnet_id=subnet.id, opts=options
            )
        used = public[: 1 if context.settings.networkNat == "one" else len(public)]
        gateways = [self._nat(f"{name}-nat-{index}", context, subnet, out) for index, subnet in enumerate(used, 1)]
        tables = [table]
        for index, subnet in enumerate(private):
            own = aws.ec2.RouteTable(f"{name}-private-{index + 1}", vpc_id=vpc.id, opts=options)
            aws.ec2.Route(
                f"{name}-private-{index + 1}-out",
                route_table_id=own.id,
                destination_cidr_block=ANYWHERE,
                nat_gateway_id=gateways[index % len(gateways)][0].id,
                opts=options,
            )
            aws.ec2.RouteTableAssociation(
                f"{name}-private-{index + 1}", route_table_id=own.id, subnet_id=subnet.id, opts=options
            )
            tables.append(own)
        self.nat_addresses = [address.public_ip for _, address in gateways]
        return tables

    def _nat(
        self, name: str, context: Context, subnet: aws.ec2.Subnet, out: pulumi.Resource
    ) -> tuple[aws.ec2.NatGateway, aws.ec2.Eip]:
        options = context.options(self, depends_on=[out])
        address = aws.ec2.Eip(f"{name}-address", domain="vpc", opts=options)
        gateway = aws.ec2.NatGateway(name, subnet_id=subnet.id, allocation_id=address.allocation_id, opts=options)
        return gateway, address

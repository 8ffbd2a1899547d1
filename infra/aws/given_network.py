"""A VPC that exists: its subnets looked up and checked, for what AWS would refuse half-way or leave silently broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.errors import UserError
from infra.settings import Settings


@dataclass(frozen=True)
class Subnet:
    """What is asked about a subnet."""

    id: str
    vpc_id: str
    zone: str
    zone_id: str


@dataclass(frozen=True)
class Given:
    """The given VPC as Network shows it."""

    vpc_id: pulumi.Output[str]
    cidr: pulumi.Output[str]
    zones: list[pulumi.Output[str]]
    public: list[pulumi.Output[str]]
    private: list[pulumi.Output[str]]


def given(settings: Settings, opts: pulumi.InvokeOptions) -> Given:
    """The VPC and subnets that the settings name. Each output raises UserError when they don't fit together."""
    vpc = aws.ec2.get_vpc_output(id=settings.networkVpcId, opts=opts)
    public = pulumi.Output.all(*(_subnet(id_, opts) for id_ in settings.networkPublicSubnetIds))
    private = pulumi.Output.all(*(_subnet(id_, opts) for id_ in settings.networkPrivateSubnetIds))
    checked = pulumi.Output.all(public, private).apply(lambda found: check(settings.networkVpcId, *found))
    indices = range(settings.networkZones)
    return Given(
        # Everything hangs on the VPC's id, so nothing is made in one whose subnets don't fit.
        vpc_id=checked.apply(lambda _: settings.networkVpcId),
        cidr=vpc.cidr_block,
        zones=[checked.apply(lambda found, index=index: found[index].zone) for index in indices],
        public=[_after(checked, id_) for id_ in settings.networkPublicSubnetIds],
        private=[_after(checked, id_) for id_ in settings.networkPrivateSubnetIds],
    )


def _after(checked: pulumi.Output[list[Subnet]], id_: str) -> pulumi.Output[str]:
    return checked.apply(lambda _: id_)


def _subnet(id_: str, opts: pulumi.InvokeOptions) -> pulumi.Output[Subnet]:
    found = aws.ec2.get_subnet_output(id=id_, opts=opts)
    return pulumi.Output.all(found.vpc_id, found.availability_zone, found.availability_zone_id).apply(
        lambda values: Subnet(id_, *values)
    )


def check(vpc_id: str, public: Sequence[Subnet], private: Sequence[Subnet]) -> list[Subnet]:
    """The private subnets. Raises UserError that names everything that is wrong."""
    found = []
    for key, subnets in (("networkPublicSubnetIds", public), ("networkPrivateSubnetIds", private)):
        found += [f"{key}: {item.id} is in {item.vpc_id}, not in {vpc_id}" for item in subnets if item.vpc_id != vpc_id]
        zones = [item.zone for item in subnets]
        found += [
            f"{key}: {item.id} is a second one in {item.zone}: name one a zone"
            for index, item in enumerate(subnets)
            if item.zone in zones[:index]
        ]
    missing = sorted({item.zone for item in private} - {item.zone for item in public})
    if missing:
        found.append(
            f"networkPublicSubnetIds: none in {', '.join(missing)}, where private subnets are: the load balancer would "
            "send nothing to the tasks there"
        )
    if found:
        raise UserError("\n".join(found))
    return list(private)

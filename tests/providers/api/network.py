"""EC2: security groups by filter, volumes by id."""

from __future__ import annotations

from typing import Any

from tests.providers.api.table import serves
from tests.providers.standin.cloud import Refused, Resource

GROUP = "aws:ec2/securityGroup:SecurityGroup"
VOLUME = "aws:ebs/volume:Volume"


@serves("ec2", "DescribeSecurityGroups")
def groups(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    found = [item for item in plane.cloud.all(GROUP) if all(_fits(item, one) for one in asked.get("Filters", []))]
    return {"SecurityGroups": [_described(item) for item in found]}


@serves("ec2", "DescribeVolumes")
def volumes(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    found = []
    for id_ in asked["VolumeIds"]:
        volume = plane.cloud.get(VOLUME, id_)
        if volume is None:
            raise Refused("InvalidVolume.NotFound", f"The volume '{id_}' does not exist.")
        found.append({"VolumeId": id_, "Size": volume.get("size"), "State": "available"})
    return {"Volumes": found}


def _fits(group: Resource, one: dict[str, Any]) -> bool:
    kind, _, key = one["Name"].partition(":")
    if kind == "vpc-id":
        return group.get("vpcId") in one["Values"]
    if kind != "tag":
        raise Refused("InvalidParameterValue", f"The filter '{one['Name']}' is invalid")
    return (group.get("tags") or {}).get(key) in one["Values"]


def _described(group: Resource) -> dict[str, Any]:
    tags = [{"Key": key, "Value": value} for key, value in (group.get("tags") or {}).items()]
    return {"GroupId": group.id, "GroupName": group.get("name"), "VpcId": group.get("vpcId"), "Tags": tags}

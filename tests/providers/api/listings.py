"""What people look at a stack by: its instances, services and clusters (EC2, ECS, MSK)."""

from __future__ import annotations

from typing import Any

from tests.providers.api.containers import SERVICE
from tests.providers.api.containers import _cluster as cluster_of_services
from tests.providers.api.managed import CLUSTER, cluster_info
from tests.providers.api.systems import INSTANCE
from tests.providers.api.table import serves
from tests.providers.standin.cloud import Refused, Resource

STATE = "instance-state-name"


def _tags(item: Resource) -> dict[str, str]:
    return dict(item.get("tagsAll") or item.get("tags") or {})


@serves("ec2", "DescribeInstances")
def instances(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    found = plane.cloud.all(INSTANCE)
    for item in asked.get("Filters", []):
        if item["Name"].startswith("tag:"):
            found = [one for one in found if _tags(one).get(item["Name"][4:]) in item["Values"]]
        elif item["Name"] == STATE:
            found = found if "running" in item["Values"] else []
        else:
            raise Refused("InvalidParameterValue", f"The filter '{item['Name']}' is invalid")
    listed = [
        {"InstanceId": one.id, "Tags": [{"Key": key, "Value": value} for key, value in sorted(_tags(one).items())]}
        for one in found
    ]
    return {"Reservations": [{"Instances": listed}] if listed else []}


@serves("ecs", "ListServices")
def services(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    name = cluster_of_services(plane.cloud, asked.get("cluster")).get("name")
    return {"serviceArns": [item.arn for item in plane.cloud.all(SERVICE) if item.id.split("/")[1] == name]}


@serves("kafka", "ListClustersV2")
def clusters(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    return {"ClusterInfoList": [cluster_info(item) | {"Tags": _tags(item)} for item in plane.cloud.all(CLUSTER)]}

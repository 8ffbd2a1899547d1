"""Managed Grafana: workspaces, who may sign in, service accounts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.providers.standin.cloud import Cloud, Refused, Resource
from tests.providers.standin.rules.network import check_groups, distinct_zones, vpc_of
from tests.providers.standin.rules.registry import Failures, changed, created, gone, values

WORKSPACE, ROLE = "aws:grafana/workspace:Workspace", "aws:grafana/roleAssociation:RoleAssociation"
QUOTA = 5
"""Workspaces in an account's region by default."""


@values(WORKSPACE)
def _workspace(inputs: Mapping[str, Any], region: str) -> Failures:
    failures: Failures = []
    if inputs.get("configuration") is not None:
        try:
            json.loads(inputs["configuration"])
        except ValueError as error:
            failures.append(("configuration", f"contains an invalid JSON: {error}"))
    if inputs.get("accountAccessType") == "ORGANIZATION" and not inputs.get("organizationalUnits"):
        failures.append(("organizationalUnits", "ORGANIZATION needs organizationalUnits"))
    if inputs.get("vpcConfiguration") and region == "ap-northeast-2":
        failures.append(("vpcConfiguration", "VPC connections are not offered in ap-northeast-2"))
    access = inputs.get("networkAccessControl")
    if access and not (access.get("prefixListIds") and access.get("vpceIds")):
        failures.append(("networkAccessControl", "needs both prefixListIds and vpceIds"))
    return failures


@created(WORKSPACE)
def _fits(cloud: Cloud, workspace: Resource) -> None:
    if len([item for item in cloud.all(WORKSPACE) if item.id != workspace.id]) >= QUOTA:
        raise Refused("ServiceQuotaExceededException", f"You have reached the maximum number of workspaces: {QUOTA}")
    if workspace.get("permissionType") == "CUSTOMER_MANAGED" and not workspace.get("roleArn"):
        raise Refused("ValidationException", "CUSTOMER_MANAGED needs a workspace role (roleArn)")
    network = workspace.get("vpcConfiguration")
    if network:
        if not 2 <= len(network["subnetIds"]) <= 6 or not 1 <= len(network["securityGroupIds"]) <= 5:
            raise Refused("ValidationException", "a VPC connection takes 2 to 6 subnets and 1 to 5 security groups")
        distinct_zones(cloud, network["subnetIds"], "ValidationException")
        check_groups(cloud, network["securityGroupIds"], vpc_of(cloud, network["subnetIds"][0]))


def _number(version: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in str(version).split("."))


@changed(WORKSPACE)
def _never_down(cloud: Cloud, old: Resource, new: Resource, paths: list[str]) -> None:
    if _number(new.get("grafanaVersion")) < _number(old.get("grafanaVersion")):
        raise Refused(
            "ValidationException",
            f"Grafana can't be downgraded from {old.get('grafanaVersion')} to {new.get('grafanaVersion')}",
        )


@created(ROLE)
def _sso_only(cloud: Cloud, association: Resource) -> None:
    workspace = cloud.get(WORKSPACE, association.get("workspaceId"))
    assert workspace, "references are checked before"
    if "AWS_SSO" not in workspace.get("authenticationProviders"):
        raise Refused(
            "ValidationException", f"{workspace.id} doesn't authenticate by AWS_SSO: role associations need it"
        )
    if not association.get("userIds") and not association.get("groupIds"):
        raise Refused("ValidationException", "a role association needs userIds or groupIds")


@gone(WORKSPACE)
def _all_of_it(cloud: Cloud, workspace: Resource, state: Mapping[str, Any]) -> None:
    for other in cloud.all():
        if other.type.startswith(("aws:grafana/", "stand-in/grafana")) and other.get("workspaceId") == workspace.id:
            cloud.remove(other.type, other.id)

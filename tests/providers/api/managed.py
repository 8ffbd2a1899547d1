"""Managed Grafana, MSK and the tagging API."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.providers.api.table import serves
from tests.providers.standin.cloud import Cloud, Refused, Resource

WORKSPACE, ACCOUNT, TOKEN = "aws:grafana/workspace:Workspace", "stand-in/grafana-account", "stand-in/grafana-token"
CLUSTER = "aws:msk/cluster:Cluster"


def _workspace(cloud: Cloud, id_: str) -> Resource:
    found = cloud.get(WORKSPACE, id_)
    if found is None:
        raise Refused("ResourceNotFoundException", f"Workspace {id_} does not exist")
    return found


@serves("grafana", "DescribeWorkspace")
def workspace(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    found = _workspace(plane.cloud, asked["workspaceId"])
    now = datetime.now(UTC)
    described = {
        "id": found.id,
        "name": found.get("name"),
        "endpoint": found.get("endpoint"),
        "grafanaVersion": found.get("grafanaVersion"),
        "status": "ACTIVE",
        "created": now,
        "modified": now,
        "dataSources": found.get("dataSources", []),
        "authentication": {"providers": found.get("authenticationProviders")},
    }
    return {"workspace": described}


def _account(cloud: Cloud, asked: dict[str, Any]) -> Resource:
    found = cloud.get(ACCOUNT, f"{asked['workspaceId']}/{asked['serviceAccountId']}")
    if found is None:
        raise Refused("ResourceNotFoundException", f"Service account {asked['serviceAccountId']} does not exist")
    return found


@serves("grafana", "CreateWorkspaceServiceAccount")
def make_account(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    _workspace(plane.cloud, asked["workspaceId"])
    for other in plane.cloud.all(ACCOUNT):
        if (other.get("workspaceId"), other.get("name")) == (asked["workspaceId"], asked["name"]):
            raise Refused("ConflictException", f"A service account named {asked['name']} already exists")
    number = str(plane.cloud.next("grafana account"))
    outputs = {
        "workspaceId": asked["workspaceId"],
        "name": asked["name"],
        "role": asked["grafanaRole"],
        "number": number,
    }
    plane.cloud.put(Resource(ACCOUNT, f"{asked['workspaceId']}/{number}", outputs=outputs))
    return {
        "id": number,
        "name": asked["name"],
        "grafanaRole": asked["grafanaRole"],
        "workspaceId": asked["workspaceId"],
    }


@serves("grafana", "ListWorkspaceServiceAccounts")
def list_accounts(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    _workspace(plane.cloud, asked["workspaceId"])
    found = [item for item in plane.cloud.all(ACCOUNT) if item.get("workspaceId") == asked["workspaceId"]]
    listed = [
        {"id": item.get("number"), "name": item.get("name"), "isDisabled": "false", "grafanaRole": item.get("role")}
        for item in found
    ]
    return {"serviceAccounts": listed, "workspaceId": asked["workspaceId"]}


@serves("grafana", "DeleteWorkspaceServiceAccount")
def delete_account(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    found = _account(plane.cloud, asked)
    for item in plane.cloud.all(TOKEN):
        if item.get("account") == found.id:
            plane.cloud.remove(TOKEN, item.id)
    plane.cloud.remove(ACCOUNT, found.id)
    return {"serviceAccountId": asked["serviceAccountId"], "workspaceId": asked["workspaceId"]}


@serves("grafana", "CreateWorkspaceServiceAccountToken")
def make_token(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    account = _account(plane.cloud, asked)
    if not 1 <= asked["secondsToLive"] <= 2592000:
        raise Refused("ValidationException", "secondsToLive must be between 1 and 2592000")
    for other in plane.cloud.all(TOKEN):
        if (other.get("account"), other.get("name")) == (account.id, asked["name"]):
            raise Refused("ConflictException", f"A token named {asked['name']} already exists")
    number, key = str(plane.cloud.next("grafana token")), f"glsa_{secrets.token_hex(16)}"
    outputs = {
        "account": account.id,
        "name": asked["name"],
        "key": key,
        "workspaceId": asked["workspaceId"],
        "number": number,
    }
    plane.cloud.put(
        Resource(
            TOKEN, f"{account.id}/{number}", outputs=outputs | {"expires": plane.cloud.now() + asked["secondsToLive"]}
        )
    )
    token = {"id": number, "name": asked["name"], "key": key}
    return {
        "serviceAccountToken": token,
        "serviceAccountId": asked["serviceAccountId"],
        "workspaceId": asked["workspaceId"],
    }


@serves("grafana", "ListWorkspaceServiceAccountTokens")
def list_tokens(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    account = _account(plane.cloud, asked)
    now = datetime.now(UTC)
    found = [item for item in plane.cloud.all(TOKEN) if item.get("account") == account.id]
    listed = [
        {"id": item.get("number"), "name": item.get("name"), "createdAt": now, "expiresAt": now + timedelta(hours=1)}
        for item in found
    ]
    return {
        "serviceAccountTokens": listed,
        "serviceAccountId": asked["serviceAccountId"],
        "workspaceId": asked["workspaceId"],
    }


@serves("grafana", "DeleteWorkspaceServiceAccountToken")
def delete_token(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    account = _account(plane.cloud, asked)
    if not plane.cloud.get(TOKEN, f"{account.id}/{asked['tokenId']}"):
        raise Refused("ResourceNotFoundException", f"Token {asked['tokenId']} does not exist")
    plane.cloud.remove(TOKEN, f"{account.id}/{asked['tokenId']}")
    return {
        "tokenId": asked["tokenId"],
        "serviceAccountId": asked["serviceAccountId"],
        "workspaceId": asked["workspaceId"],
    }


def _cluster(cloud: Cloud, arn: str) -> Resource:
    found = cloud.get(CLUSTER, arn)
    if found is None:
        raise Refused("NotFoundException", f"The requested resource {arn} doesn't exist.")
    return found


@serves("kafka", "GetBootstrapBrokers")
def brokers(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    found = _cluster(plane.cloud, asked["ClusterArn"])
    names = {"bootstrapBrokers": "BootstrapBrokerString", "bootstrapBrokersTls": "BootstrapBrokerStringTls"}
    names |= {
        "bootstrapBrokersSaslScram": "BootstrapBrokerStringSaslScram",
        "bootstrapBrokersSaslIam": "BootstrapBrokerStringSaslIam",
    }
    return {answer: found.get(key) for key, answer in names.items() if found.get(key)}


@serves("kafka", "DescribeClusterV2")
def cluster(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    return {"ClusterInfo": cluster_info(_cluster(plane.cloud, asked["ClusterArn"]))}


def cluster_info(found: Resource) -> dict[str, Any]:
    """A cluster as MSK describes it."""
    nodes = found.get("brokerNodeGroupInfo")
    group = {
        "ClientSubnets": nodes["clientSubnets"],
        "InstanceType": nodes["instanceType"],
        "SecurityGroups": nodes["securityGroups"],
    }
    version = {"KafkaVersion": found.get("kafkaVersion")}
    provisioned = {
        "BrokerNodeGroupInfo": group,
        "NumberOfBrokerNodes": found.get("numberOfBrokerNodes"),
        "CurrentBrokerSoftwareInfo": version,
    }
    info = {
        "ClusterArn": found.arn,
        "ClusterName": found.get("clusterName"),
        "ClusterType": "PROVISIONED",
        "State": "ACTIVE",
    }
    return info | {"CurrentVersion": found.get("currentVersion"), "Provisioned": provisioned}


@serves("kafka", "ListNodes")
def nodes(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    found = _cluster(plane.cloud, asked["ClusterArn"])
    subnets, kind = found.get("brokerNodeGroupInfo.clientSubnets"), found.get("brokerNodeGroupInfo.instanceType")
    listed = []
    for number in range(found.get("numberOfBrokerNodes")):
        broker = {
            "BrokerId": float(number + 1),
            "ClientSubnet": subnets[number % len(subnets)],
            "Endpoints": [f"b-{number + 1}.{found.get('clusterName')}"],
        }
        listed.append({"NodeType": "BROKER", "InstanceType": kind, "BrokerNodeInfo": broker})
    return {"NodeInfoList": listed}


@serves("resourcegroupstaggingapi", "GetResources")
def tagged(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    """Everything with these tags: what a reaper would find."""
    found = []
    for item in plane.cloud.all():
        tags = item.get("tagsAll") or {}
        wanted = asked.get("TagFilters", [])
        fits = all(
            one["Key"] in tags and (not one.get("Values") or tags[one["Key"]] in one["Values"]) for one in wanted
        )
        if tags and fits and str(item.arn).startswith("arn:"):
            found.append(
                {"ResourceARN": item.arn, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
            )
    return {"ResourceTagMappingList": found, "PaginationToken": ""}

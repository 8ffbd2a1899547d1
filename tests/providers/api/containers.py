"""ECS and ECR."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.providers.api.table import serves
from tests.providers.standin.cloud import ACCOUNT, Cloud, Refused, Resource
from tests.providers.standin.rules.containers import could_not_start

SERVICE, CLUSTER, DEFINITION = (
    "aws:ecs/service:Service",
    "aws:ecs/cluster:Cluster",
    "aws:ecs/taskDefinition:TaskDefinition",
)
DEPLOYMENT, TASK, IMAGE = "stand-in/deployment", "stand-in/task", "stand-in/image"


def _cluster(cloud: Cloud, name: str | None) -> Resource:
    found = cloud.find(CLUSTER, "arn", name) or cloud.find(CLUSTER, "name", name or "default")
    if found is None:
        raise Refused("ClusterNotFoundException", "Cluster not found.")
    return found


def _definition(cloud: Cloud, name: str) -> Resource:
    """By ARN, family:revision, or the family's newest."""
    pool = cloud.all(DEFINITION)
    found = [item for item in pool if name in (item.arn, item.arn.rsplit("/", 1)[-1])] or [
        item for item in pool if item.get("family") == name
    ][-1:]
    if not found:
        raise Refused("ClientException", "Unable to describe task definition.")
    return found[0]


@serves("ecs", "DescribeServices")
def services(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    cluster = _cluster(plane.cloud, asked.get("cluster"))
    found, failures = [], []
    for name in asked["services"]:
        pool = [
            item
            for item in plane.cloud.all(SERVICE)
            if name in (item.arn, item.get("name")) and item.id.split("/")[1] == cluster.get("name")
        ]
        if pool:
            found.append(_service(plane.cloud, pool[0], cluster))
        else:
            failures.append({"arn": name, "reason": "MISSING"})
    return {"services": found, "failures": failures}


def _service(cloud: Cloud, service: Resource, cluster: Resource) -> dict[str, Any]:
    deployment = cloud.get(DEPLOYMENT, service.id)
    assert deployment is not None
    count, running = service.get("desiredCount", 0), deployment.get("taskDefinition")
    reason = (
        "ECS deployment circuit breaker: rolling back" if deployment.get("rolledBack") else "ECS deployment completed."
    )
    primary = {
        "id": f"ecs-svc/{abs(hash(running)) % 10**16}",
        "status": "PRIMARY",
        "taskDefinition": running,
        "desiredCount": count,
        "runningCount": count,
        "pendingCount": 0,
        "failedTasks": 0,
        "rolloutState": deployment.get("rolloutState"),
        "rolloutStateReason": reason,
        "createdAt": datetime.now(UTC),
    }
    return {
        "serviceArn": service.arn,
        "serviceName": service.get("name"),
        "clusterArn": cluster.arn,
        "status": "ACTIVE",
        "desiredCount": count,
        "runningCount": count,
        "pendingCount": 0,
        "taskDefinition": running,
        "deployments": [primary],
        "events": [],
    }


@serves("ecs", "DescribeTaskDefinition")
def definition(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    found = _definition(plane.cloud, asked["taskDefinition"])
    keys = ("family", "revision", "cpu", "memory", "networkMode", "executionRoleArn", "taskRoleArn")
    answer = {key: found.get(key) for key in keys if found.get(key) is not None}
    containers = json.loads(found.get("containerDefinitions"))
    return {
        "taskDefinition": answer
        | {"taskDefinitionArn": found.arn, "containerDefinitions": containers, "status": "ACTIVE"}
    }


def _tasks(cloud: Cloud, cluster: Resource) -> list[dict[str, Any]]:
    """The running tasks of services, and what RunTask started."""
    found = []
    for service in cloud.all(SERVICE):
        deployment = cloud.get(DEPLOYMENT, service.id)
        if deployment and service.id.split("/")[1] == cluster.get("name"):
            for number in range(service.get("desiredCount", 0)):
                id_ = uuid.uuid5(uuid.NAMESPACE_URL, f"{service.id} {deployment.get('taskDefinition')} {number}").hex
                found.append(
                    _task(cloud, cluster, id_, deployment.get("taskDefinition"), f"service:{service.get('name')}", None)
                )
    for item in cloud.all(TASK):
        if item.get("cluster") == cluster.arn:
            found.append(
                _task(cloud, cluster, item.id, item.get("taskDefinition"), item.get("group"), item.get("exitCode"))
            )
    return found


def _task(
    cloud: Cloud, cluster: Resource, id_: str, definition_arn: str, group: str, code: int | None
) -> dict[str, Any]:
    status = "RUNNING" if code is None else "STOPPED"
    names = [item["name"] for item in json.loads(_definition(cloud, definition_arn).get("containerDefinitions"))]
    containers = [{"name": name, "lastStatus": status} | ({} if code is None else {"exitCode": code}) for name in names]
    answer = {
        "taskArn": f"{cluster.arn.replace(':cluster/', ':task/')}/{id_}",
        "clusterArn": cluster.arn,
        "taskDefinitionArn": definition_arn,
    }
    answer |= {"lastStatus": status, "desiredStatus": status, "group": group, "containers": containers}
    return answer | (
        {}
        if code is None
        else {"stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited"}
    )


@serves("ecs", "ListTasks")
def list_tasks(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    found = _tasks(plane.cloud, _cluster(plane.cloud, asked.get("cluster")))
    if name := asked.get("serviceName"):
        found = [item for item in found if item["group"] == f"service:{name.rsplit('/', 1)[-1]}"]
    found = [item for item in found if item["desiredStatus"] == asked.get("desiredStatus", "RUNNING")]
    return {"taskArns": [item["taskArn"] for item in found]}


@serves("ecs", "DescribeTasks")
def describe_tasks(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    known = {item["taskArn"]: item for item in _tasks(plane.cloud, _cluster(plane.cloud, asked.get("cluster")))}
    by_id = {arn.rsplit("/", 1)[-1]: item for arn, item in known.items()}
    found = [item for name in asked["tasks"] if (item := by_id.get(name.rsplit("/", 1)[-1]))]
    missing = [{"arn": name, "reason": "MISSING"} for name in asked["tasks"] if name.rsplit("/", 1)[-1] not in by_id]
    return {"tasks": found, "failures": missing}


@serves("ecs", "RunTask")
def run_task(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    cluster, wanted = _cluster(plane.cloud, asked.get("cluster")), _definition(plane.cloud, asked["taskDefinition"])
    if wanted.get("networkMode") == "awsvpc" and not asked.get("networkConfiguration"):
        raise Refused(
            "InvalidParameterException",
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        )
    if len(json.dumps(asked.get("overrides", {}))) > 8192:
        raise Refused("InvalidParameterException", "Container Overrides length must be at most 8192")
    if plane.on_task is None:
        raise Refused("NotImplemented", "this test says nothing of what tasks do: set on_task of the control plane")
    broken = list(could_not_start(plane.cloud, wanted))
    code = 1 if broken else plane.on_task(asked)
    id_ = uuid.uuid4().hex
    outputs = {
        "cluster": cluster.arn,
        "taskDefinition": wanted.arn,
        "group": f"family:{wanted.get('family')}",
        "exitCode": code,
    }
    plane.cloud.put(Resource(TASK, id_, outputs=outputs))
    return {"tasks": [_task(plane.cloud, cluster, id_, wanted.arn, outputs["group"], None)], "failures": []}


@serves("ecs", "UpdateService")
def update_service(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    cluster = _cluster(plane.cloud, asked.get("cluster"))
    pool = [item for item in plane.cloud.all(SERVICE) if asked["service"] in (item.arn, item.get("name"))]
    if not pool:
        raise Refused("ServiceNotFoundException", "Service not found.")
    changes = {key: asked[key] for key in ("desiredCount", "taskDefinition") if key in asked}
    if "taskDefinition" in changes:
        changes["taskDefinition"] = _definition(plane.cloud, changes["taskDefinition"]).arn
        plane.cloud.change(DEPLOYMENT, pool[0].id, taskDefinition=changes["taskDefinition"], rolledBack=False)
    return {"service": _service(plane.cloud, plane.cloud.change(SERVICE, pool[0].id, **changes), cluster)}


@serves("ecr", "GetAuthorizationToken")
def token(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    entry = {
        "authorizationToken": base64.b64encode(b"AWS:stand-in").decode(),
        "expiresAt": datetime.now(UTC) + timedelta(hours=12),
        "proxyEndpoint": f"https://{ACCOUNT}.dkr.ecr.{region}.amazonaws.com",
    }
    return {"authorizationData": [entry]}


@serves("ecr", "DescribeImages")
def images(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    if not plane.cloud.get("aws:ecr/repository:Repository", asked["repositoryName"]):
        raise Refused(
            "RepositoryNotFoundException", f"The repository with name '{asked['repositoryName']}' does not exist"
        )
    found = [item for item in plane.cloud.all(IMAGE) if item.get("repository") == asked["repositoryName"]]
    if wanted := asked.get("imageIds"):
        found = [
            item
            for item in found
            if any(
                one.get("imageDigest") == item.get("digest") or one.get("imageTag") in item.get("tags", [])
                for one in wanted
            )
        ]
        if not found:
            raise Refused(
                "ImageNotFoundException", f"The image with imageId {wanted} does not exist within the repository"
            )
    details = [
        {
            "repositoryName": item.get("repository"),
            "imageDigest": item.get("digest"),
            "imageTags": item.get("tags", []),
            "registryId": ACCOUNT,
        }
        for item in found
    ]
    return {"imageDetails": details}

"""ECS services: what they run on, what they listen to, and whether their tasks could start."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.providers.standin import faults
from tests.providers.standin.cloud import Cloud, Refused, Resource
from tests.providers.standin.rules.load_balancing import GROUP, balancers_of
from tests.providers.standin.rules.network import check_groups, vpc_of
from tests.providers.standin.rules.registry import Failures, created, gone, made, values

TASK, SERVICE, CLUSTER = "aws:ecs/taskDefinition:TaskDefinition", "aws:ecs/service:Service", "aws:ecs/cluster:Cluster"
PROVIDERS = "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"
SECRET, VERSION = "aws:secretsmanager/secret:Secret", "aws:secretsmanager/secretVersion:SecretVersion"
LOG_GROUP, PARAMETER = "aws:cloudwatch/logGroup:LogGroup", "aws:ssm/parameter:Parameter"
SERVERLESS = ("FARGATE", "FARGATE_SPOT")


def task_of(cloud: Cloud, arn: str) -> Resource | None:
    return cloud.find(TASK, "arn", arn)


@created(SERVICE)
def _service_fits(cloud: Cloud, service: Resource) -> None:
    cluster = cloud.find(CLUSTER, "arn", service.get("cluster")) or cloud.find(CLUSTER, "name", service.get("cluster"))
    task = task_of(cloud, service.get("taskDefinition", ""))
    if cluster is None or task is None:
        raise Refused("InvalidParameterException", "a service needs a cluster and a task definition")
    strategies = [item["capacityProvider"] for item in service.get("capacityProviderStrategies", [])]
    if strategies and service.get("launchType") and "launchType" in service.inputs:
        raise Refused(
            "InvalidParameterException", "Specifying both a launch type and capacity provider strategy is not supported"
        )
    offered = cloud.get(PROVIDERS, cluster.get("name"))
    for name in strategies:
        if not offered or name not in offered.get("capacityProviders", []):
            raise Refused(
                "InvalidParameterException",
                f"The specified capacity provider '{name}' is not associated with the cluster {cluster.get('name')}",
            )
    serverless = service.get("launchType") == "FARGATE" or bool(set(strategies) & set(SERVERLESS))
    if serverless and "FARGATE" not in task.get("requiresCompatibilities", []):
        raise Refused("InvalidParameterException", f"Task definition {task.arn} does not support launch_type FARGATE.")
    network = service.get("networkConfiguration")
    if (task.get("networkMode") == "awsvpc") != bool(network):
        raise Refused(
            "InvalidParameterException",
            "Network Configuration must be provided when networkMode 'awsvpc' is specified (and only then).",
        )
    if network:
        check_groups(cloud, network.get("securityGroups", []), vpc_of(cloud, network["subnets"][0]))
    _targets_fit(cloud, service, task)
    for reason in could_not_start(cloud, task):
        raise Refused("timeout", f"while waiting for the service to become steady: tasks fail to start: {reason}")


def _targets_fit(cloud: Cloud, service: Resource, task: Resource) -> None:
    containers = {item["name"]: item for item in json.loads(task.get("containerDefinitions"))}
    for target in service.get("loadBalancers", []):
        arn, name, port = target.get("targetGroupArn"), target.get("containerName"), target.get("containerPort")
        if name not in containers:
            raise Refused("InvalidParameterException", f"The container {name} does not exist in the task definition.")
        if port not in [item.get("containerPort") for item in containers[name].get("portMappings", [])]:
            raise Refused(
                "InvalidParameterException", f"The container {name} did not have a container port {port} defined."
            )
        group = cloud.get(GROUP, arn)
        if not balancers_of(cloud, arn):
            raise Refused(
                "InvalidParameterException",
                f"The target group with targetGroupArn {arn} does not have an associated load balancer.",
            )
        if group and task.get("networkMode") == "awsvpc" and group.get("targetType") != "ip":
            raise Refused(
                "InvalidParameterException",
                f"The provided target group {arn} has target type {group.get('targetType')}, which is incompatible with the awsvpc network mode",
            )


def could_not_start(cloud: Cloud, task: Resource) -> Iterator[str]:
    """Why tasks of this definition would not come up: what they pull, read or log to is not there."""
    for container in json.loads(task.get("containerDefinitions")):
        for secret in container.get("secrets", []):
            yield from _unreadable(cloud, secret["valueFrom"])
        logs = container.get("logConfiguration") or {}
        group = (logs.get("options") or {}).get("awslogs-group")
        if (
            logs.get("logDriver") == "awslogs"
            and group
            and not cloud.get(LOG_GROUP, group)
            and "awslogs-create-group" not in logs["options"]
        ):
            yield f"ResourceInitializationError: failed to validate logger args: the log group {group} does not exist"


def _unreadable(cloud: Cloud, source: str) -> Iterator[str]:
    if ":ssm:" in source or not source.startswith("arn:"):
        name = source.split(":parameter", 1)[-1]
        if not cloud.get(PARAMETER, name) and not cloud.get(PARAMETER, name.lstrip("/")):
            yield f"ResourceInitializationError: unable to pull secrets: no parameter {source}"
        return
    arn = ":".join(source.split(":")[:7])
    versions = [item for item in cloud.all(VERSION, "stand-in/secret-version") if item.get("secretId") == arn]
    if not cloud.get(SECRET, arn) or not versions:
        yield f"ResourceInitializationError: unable to pull secrets: no secret with a value: {source}"
        return
    key = (source.split(":")[7:] or [""])[0]
    if key:
        try:
            known = json.loads(versions[-1].get("secretString", "")).keys()
        except (ValueError, AttributeError):
            known = {}
        if key not in known:
            yield f"ResourceInitializationError: unable to pull secrets: retrieved secret did not contain json key {key}"


@made(SERVICE)
def _deploy(cloud: Cloud, service: Resource) -> None:
    """The deployment; a fault can make its circuit breaker roll it back, which AWS and the provider report as success."""
    before = cloud.get("stand-in/deployment", service.id)
    running = before.get("taskDefinition") if before else None
    failed = [
        item for item in faults.pending(cloud.folder) if item["op"] == "deploy" and item.get("type") in (None, SERVICE)
    ]
    wanted = service.get("taskDefinition")
    if running and running != wanted and failed and faults.due(cloud.folder, "deploy", SERVICE, service.urn):
        outputs = {"taskDefinition": running, "failed": wanted, "rolloutState": "COMPLETED", "rolledBack": True}
    else:
        outputs = {"taskDefinition": wanted, "rolloutState": "COMPLETED", "rolledBack": False}
    cloud.put(Resource("stand-in/deployment", service.id, outputs=outputs))
    if outputs["rolledBack"]:
        # The provider reads the service again, and keeps the revision that runs: the next `up` sees a difference.
        service.outputs["taskDefinition"] = running
        cloud.put(service)


@gone(SERVICE)
def _no_deployment(cloud: Cloud, service: Resource, state: Mapping[str, Any]) -> None:
    cloud.remove("stand-in/deployment", service.id)
    for target in cloud.all("aws:appautoscaling/target:Target", "aws:appautoscaling/policy:Policy"):
        if target.get("resourceId") == f"service/{service.id.split(':service/', 1)[-1]}":
            cloud.remove(target.type, target.id)


@gone(CLUSTER)
def _providers_go_too(cloud: Cloud, cluster: Resource, state: Mapping[str, Any]) -> None:
    cloud.remove(PROVIDERS, cluster.get("name"))


@values(PROVIDERS)
def _known_providers(inputs: Mapping[str, Any], region: str) -> Failures:
    offered = inputs.get("capacityProviders") or []
    for strategy in inputs.get("defaultCapacityProviderStrategies") or []:
        if strategy.get("capacityProvider") not in offered:
            return [
                (
                    "defaultCapacityProviderStrategies",
                    f"InvalidParameterException: {strategy.get('capacityProvider')} is not in capacityProviders",
                )
            ]
    return []

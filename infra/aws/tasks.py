"""Tasks on Fargate and the services that keep them running: hardened containers, task definitions, services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context
from infra.aws.ecs import Logs, Statements, TaskCluster, execution_statements, role
from infra.collector import USER_ID

USER = f"{USER_ID}:{USER_ID}"
"""What containers run as, in the collector's own image and in the worker's."""


@dataclass(frozen=True)
class Container:
    """One container of a task. Its root file system is read-only, its user is not root, it has no capabilities."""

    name: str
    image: pulumi.Input[str]
    command: Sequence[str]
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """Variable to a secret's ARN with a JSON key: arn:key::."""
    ports: Sequence[int] = ()
    memory: int | None = None
    """MiB at most; None: what the task has."""
    mounts: Mapping[str, str] = field(default_factory=dict)
    """Volume to path."""
    read_only: Sequence[str] = ()
    """Volumes that it only reads."""
    after: Sequence[str] = ()
    """Containers that must be healthy first."""
    health: Mapping[str, Any] | None = None
    stop_seconds: int = 30
    restart: bool = False
    """Started again by itself when it ends, instead of ending the task."""
    labels: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)

    def definition(self, logs: Logs) -> dict[str, Any]:
        """As ECS takes it."""
        found: dict[str, Any] = {
            "name": self.name,
            "image": self.image,
            "essential": True,
            "command": list(self.command),
            "environment": [{"name": key, "value": self.environment[key]} for key in sorted(self.environment)],
            "secrets": [{"name": key, "valueFrom": self.secrets[key]} for key in sorted(self.secrets)],
            "portMappings": [{"containerPort": port, "hostPort": port, "protocol": "tcp"} for port in self.ports],
            "mountPoints": [
                {"sourceVolume": volume, "containerPath": path, "readOnly": volume in self.read_only}
                for volume, path in self.mounts.items()
            ],
            "dependsOn": [{"containerName": name, "condition": "HEALTHY"} for name in self.after],
            "logConfiguration": logs.configuration(self.name),
            "dockerLabels": dict(self.labels),
            "user": USER,
            "privileged": False,
            "readonlyRootFilesystem": True,
            "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
            "stopTimeout": self.stop_seconds,
        }
        if self.memory is not None:
            found["memory"] = self.memory
        if self.health is not None:
            found["healthCheck"] = dict(self.health)
        if self.restart:
            found["restartPolicy"] = {"enabled": True, "restartAttemptPeriod": 60}
        return found


@dataclass(frozen=True)
class TaskArgs:
    """One task: its size, its containers, what it may do."""

    cpu: int
    memory: int
    containers: Sequence[Container]
    logs: Logs
    repository_arn: pulumi.Input[str]
    """Of the images that come from ECR."""
    volumes: Sequence[str] = ()
    """Empty folders that the containers share, gone with the task."""
    secrets: Sequence[Mapping[str, Any]] = ()
    """Statements for what the containers' `secrets` name."""
    statements: pulumi.Input[Statements] = ()
    """What the program in the task may do by itself."""


def task(context: Context, parent: pulumi.Resource, name: str, args: TaskArgs) -> aws.ecs.TaskDefinition:
    """A Fargate task definition for arm64 with its two roles. Old revisions stay, so that a rollback has a target."""
    execution, ready = role(
        context, parent, f"{name}-execution", execution_statements(args.logs, args.repository_arn, args.secrets)
    )
    own, allowed = role(context, parent, f"{name}-task", args.statements)
    return aws.ecs.TaskDefinition(
        f"{name}-task-definition",
        family=context.name(name),
        requires_compatibilities=["FARGATE"],
        network_mode="awsvpc",
        cpu=str(args.cpu),
        memory=str(args.memory),
        runtime_platform={"cpu_architecture": "ARM64", "operating_system_family": "LINUX"},
        execution_role_arn=execution.arn,
        task_role_arn=own.arn,
        volumes=[{"name": volume} for volume in args.volumes],
        container_definitions=pulumi.Output.json_dumps(
            [container.definition(args.logs) for container in args.containers], sort_keys=True
        ),
        skip_destroy=context.settings.protect,
        opts=context.options(parent, depends_on=[*ready, *allowed]),
    )


@dataclass(frozen=True)
class ServiceArgs:
    """A service: so many tasks of one definition, in private subnets."""

    cluster: TaskCluster
    task: aws.ecs.TaskDefinition
    subnets: pulumi.Input[Sequence[pulumi.Input[str]]]
    security_group: pulumi.Input[str]
    count: int
    spot: bool = False
    targets: Sequence[aws.ecs.ServiceLoadBalancerArgs] = ()
    """Target groups and the containers' ports behind them."""
    one_at_a_time: bool = False
    """The old task ends before the new one begins."""
    scaled: bool = False
    """Autoscaling decides the number of tasks."""
    after: Sequence[pulumi.Resource] = ()


def service(context: Context, parent: pulumi.Resource, name: str, args: ServiceArgs) -> aws.ecs.Service:
    """A service that an `up` waits for. A deployment whose tasks don't come up is rolled back by ECS, after which the
    service is steady and reports success: rollout.py finds that."""
    provider = "FARGATE_SPOT" if args.spot else "FARGATE"
    minimum, maximum = (0, 100) if args.one_at_a_time else (100, 200)
    return aws.ecs.Service(
        f"{name}-service",
        cluster=args.cluster.arn,
        task_definition=args.task.arn,
        desired_count=args.count,
        capacity_provider_strategies=[{"capacity_provider": provider, "weight": 1}],
        platform_version="LATEST",
        network_configuration={
            "subnets": args.subnets,
            "security_groups": [args.security_group],
            "assign_public_ip": False,
        },
        load_balancers=list(args.targets),
        # A new task is not judged by the load balancer before its side containers are healthy.
        health_check_grace_period_seconds=120 if args.targets else None,
        deployment_minimum_healthy_percent=minimum,
        deployment_maximum_percent=maximum,
        deployment_circuit_breaker={"enable": True, "rollback": True},
        # Only possible where more than the wanted tasks may run for a while.
        availability_zone_rebalancing="DISABLED" if args.one_at_a_time else "ENABLED",
        wait_for_steady_state=True,
        # An interrupted `up` leaves the old revision running, not a half-way one.
        sigint_rollback=True,
        force_delete=not context.settings.protect,
        enable_execute_command=False,
        enable_ecs_managed_tags=True,
        propagate_tags="SERVICE",
        opts=context.options(
            parent,
            depends_on=[args.cluster.providers, *args.after],
            ignore_changes=["desiredCount"] if args.scaled else [],
            custom_timeouts=pulumi.CustomTimeouts(create="20m", update="30m", delete="20m"),
        ),
    )

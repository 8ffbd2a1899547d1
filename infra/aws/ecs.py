"""The ECS cluster, and what its tasks need of other services: log groups, roles, policy statements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context
from infra.config import PROJECT

Statements = Sequence[Mapping[str, Any]]


class TaskCluster(pulumi.ComponentResource):
    """Where the collector, the worker and the jobs run. Fargate alone: no machine of its own."""

    arn: pulumi.Output[str]
    name: pulumi.Output[str]
    providers: pulumi.Resource
    """A service on spot needs it first."""

    def __init__(
        self, name: str, context: Context, key_arn: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("agent-telemetry:aws:TaskCluster", name, None, opts)
        # Container Insights would make it by itself, with logs for ever and no end with the stack.
        figures = aws.cloudwatch.LogGroup(
            f"{name}-insights",
            name=f"/aws/ecs/containerinsights/{context.prefix}/performance",
            kms_key_id=key_arn,
            retention_in_days=context.settings.logRetentionDays,
            opts=context.options(self),
        )
        cluster = aws.ecs.Cluster(
            name,
            name=context.prefix,
            settings=[{"name": "containerInsights", "value": "enabled"}],
            configuration={"managed_storage_configuration": {"fargate_ephemeral_storage_kms_key_id": key_arn}},
            opts=context.options(self, depends_on=[figures]),
        )
        self.providers = aws.ecs.ClusterCapacityProviders(
            f"{name}-capacity",
            cluster_name=cluster.name,
            capacity_providers=["FARGATE", "FARGATE_SPOT"],
            default_capacity_provider_strategies=[{"capacity_provider": "FARGATE", "weight": 1}],
            opts=context.options(self),
        )
        self.arn, self.name = cluster.arn, cluster.name
        self._tasks = context.arn("ecs", f"task/{context.prefix}/*")
        self.register_outputs({"arn": self.arn, "name": self.name})

    def task_statements(self) -> list[dict[str, Any]]:
        """Finds the cluster's tasks and their addresses."""
        return [
            # It takes container instances as a resource, and Fargate has none.
            {
                "Effect": "Allow",
                "Action": "ecs:ListTasks",
                "Resource": "*",
                "Condition": {"ArnEquals": {"ecs:cluster": self.arn}},
            },
            {"Effect": "Allow", "Action": "ecs:DescribeTasks", "Resource": self._tasks},
        ]


@dataclass(frozen=True)
class Logs:
    """A part's log group."""

    group: aws.cloudwatch.LogGroup
    region: str

    def configuration(self, prefix: str) -> dict[str, Any]:
        """For a container definition."""
        options = {"awslogs-group": self.group.name, "awslogs-region": self.region, "awslogs-stream-prefix": prefix}
        # A full buffer must not stop the container: lines are dropped instead.
        return {"logDriver": "awslogs", "options": {**options, "mode": "non-blocking", "max-buffer-size": "4m"}}


def logs(context: Context, parent: pulumi.Resource, part: str, key_arn: pulumi.Input[str]) -> Logs:
    """The log group of a part, encrypted, kept for logRetentionDays."""
    group = aws.cloudwatch.LogGroup(
        f"{part}-logs",
        name=f"/{PROJECT}/{context.stack}/{part}",
        kms_key_id=key_arn,
        retention_in_days=context.settings.logRetentionDays,
        opts=context.options(parent),
    )
    return Logs(group, context.settings.awsRegion)


def policy(statements: Statements) -> str:
    """A policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)


def role(
    context: Context,
    parent: pulumi.Resource,
    name: str,
    statements: pulumi.Input[Statements],
    service: str = "ecs-tasks",
    source: str = "",
) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
    """A role that `service` takes on behalf of this account's own resources only, with the statements inline. With it
    comes what must be there before anything acts under it.

    `source`: the ARN pattern of what the service acts for; '': anything of ECS here.
    """
    settings = context.settings
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": settings.awsAccount},
            "ArnLike": {"aws:SourceArn": source or context.arn("ecs", "*")},
        },
    }
    made = aws.iam.Role(
        name, assume_role_policy=policy([trust]), description=f"{context.prefix} {name}", opts=context.options(parent)
    )
    if not isinstance(statements, pulumi.Output) and statements == ():
        return made, []
    inline = aws.iam.RolePolicy(
        f"{name}-policy",
        role=made.name,
        policy=pulumi.Output.from_input(statements).apply(policy),
        opts=context.options(parent),
    )
    return made, [inline]


def secret_statements(
    region: str, arns: Sequence[pulumi.Input[str]], keys: Sequence[pulumi.Input[str]]
) -> list[dict[str, Any]]:
    """Reads exactly these secrets, and uses their keys for nothing else."""
    if not arns:
        return []
    return [
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": list(arns)},
        {
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": list(keys),
            "Condition": {"StringEquals": {"kms:ViaService": f"secretsmanager.{region}.amazonaws.com"}},
        },
    ]


def execution_statements(
    logs: Logs, repository_arn: pulumi.Input[str], secrets: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """What ECS itself does for a task before it runs: pull its image, open its log, read its container's secrets."""
    return [
        # This action takes no resource.
        {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            "Resource": repository_arn,
        },
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": pulumi.Output.concat(logs.group.arn, ":*"),
        },
        *(dict(item) for item in secrets),
    ]

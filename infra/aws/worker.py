"""The worker on ECS: the loop of infra/worker as a service of one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context
from infra.aws.ecs import TaskCluster, logs, secret_statements
from infra.aws.image import WorkerImage
from infra.aws.key_list import KeyList
from infra.aws.tasks import Container, ServiceArgs, TaskArgs, service, task
from infra.emf import NAMESPACE_VARIABLE, namespace

STOP_SECONDS = 30
"""Every step may be cut off at any point; the loop itself ends within a second."""
TEMPORARY = "tmp"
"""For the CA's certificate, which libraries want as a file."""


@dataclass(frozen=True)
class WorkerArgs:
    """What the worker needs."""

    context: Context
    cluster: TaskCluster
    image: WorkerImage
    subnets: pulumi.Input[Sequence[pulumi.Input[str]]]
    """Private ones."""
    security_group: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    config: pulumi.Input[str]
    """infra.worker.config.written_config: addresses and ARNs, no secret."""
    key_list: KeyList
    """For the canary's own credential."""
    secrets: Sequence[pulumi.Input[str]]
    """What its accesses read: ClickHouse's user `worker`, and Kafka's with scram."""
    secret_keys: Sequence[pulumi.Input[str]]
    """Their KMS keys."""
    statements: pulumi.Input[Sequence[Mapping[str, Any]]] = ()
    """What kafkaAuth iam allows it, and what finds the collectors."""
    after: Sequence[pulumi.Resource] = ()


class Worker(pulumi.ComponentResource):
    """One task. While it is replaced none runs for a moment: nothing is lost by it, since every step catches up."""

    service: aws.ecs.Service
    task: aws.ecs.TaskDefinition

    def __init__(self, name: str, args: WorkerArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:Worker", name, None, opts)
        context, settings = args.context, args.context.settings
        worker = Container(
            "worker",
            args.image.image,
            ["-m", "infra.worker", "--config-env", "WORKER_CONFIG"],
            environment={"WORKER_CONFIG": args.config, NAMESPACE_VARIABLE: namespace(context.prefix)},
            mounts={TEMPORARY: f"/{TEMPORARY}"},
            stop_seconds=STOP_SECONDS,
        )
        readable = secret_statements(settings.awsRegion, args.secrets, args.secret_keys)
        allowed = pulumi.Output.all(readable, args.key_list.change_statements(), args.statements)
        self.task = task(
            context,
            self,
            name,
            TaskArgs(
                settings.workerCpu,
                settings.workerMemoryMiB,
                [worker],
                logs(context, self, name, args.key_arn),
                args.image.repository_arn,
                volumes=[TEMPORARY],
                statements=allowed.apply(lambda lists: [item for part in lists for item in part]),
            ),
        )
        self.service = service(
            context,
            self,
            name,
            ServiceArgs(
                args.cluster,
                self.task,
                args.subnets,
                args.security_group,
                count=1,
                one_at_a_time=True,
                after=args.after,
            ),
        )
        self.register_outputs({"service": self.service.name})

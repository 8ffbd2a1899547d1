"""Rare jobs: EventBridge Scheduler starts a task of the worker's image; what could not be started lies in a queue."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context
from infra.aws.ecs import TaskCluster, logs, role
from infra.aws.image import WorkerImage
from infra.aws.tasks import Container, TaskArgs, task
from infra.aws.worker import TEMPORARY
from infra.emf import NAMESPACE_VARIABLE, namespace

START_RETRIES = 5
START_WITHIN_SECONDS = 3600
"""A job that could not be started for this long waits for its next time; the queue then holds it."""
QUEUE_SECONDS = 14 * 86400
SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
LONGEST_WATCH = 7 * 86400
"""CloudWatch looks back no further (PutMetricAlarm)."""


@dataclass(frozen=True)
class Job:
    """A program that runs by itself, seldom."""

    name: str
    module: str
    schedule: str
    """rate(…) or cron(…), in UTC."""
    arguments: Sequence[str] = ()
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    statements: pulumi.Input[Sequence[Mapping[str, Any]]] = ()
    """What it may do."""
    cpu: int = 256
    memory: int = 512


@dataclass(frozen=True)
class JobsArgs:
    """What all jobs share."""

    context: Context
    cluster: TaskCluster
    image: WorkerImage
    subnets: pulumi.Input[Sequence[pulumi.Input[str]]]
    security_group: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    jobs: Sequence[Job]
    after: Sequence[pulumi.Resource] = ()


class Jobs(pulumi.ComponentResource):
    """One schedule a job, in a group of this stack's own."""

    group: pulumi.Output[str]
    """The schedules' group: a dimension of the Scheduler's metrics."""
    queue_name: pulumi.Output[str]
    """What could not be started."""
    families: dict[str, str]
    """Job to its task definition's family."""

    def __init__(self, name: str, args: JobsArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:Jobs", name, None, opts)
        context = args.context
        group = aws.scheduler.ScheduleGroup(f"{name}-group", name=context.prefix, opts=context.options(self))
        queue = aws.sqs.Queue(
            f"{name}-missed",
            kms_master_key_id=args.key_arn,
            message_retention_seconds=QUEUE_SECONDS,
            opts=context.options(self),
        )
        self.group, self.queue_name = group.name, queue.name
        self.families = {job.name: context.name(f"{name}-{job.name}") for job in args.jobs}
        written = logs(context, self, name, args.key_arn)
        for job in args.jobs:
            made = self._task(f"{name}-{job.name}", args, job, written)
            statements = pulumi.Output.all(
                made.family, made.execution_role_arn, made.task_role_arn, args.cluster.arn, queue.arn, args.key_arn
            ).apply(lambda found: start_statements(context, *found))
            starter, ready = role(
                context,
                self,
                f"{name}-{job.name}-schedule",
                statements,
                service="scheduler",
                source=context.arn("scheduler", f"schedule-group/{context.prefix}"),
            )
            aws.scheduler.Schedule(
                f"{name}-{job.name}",
                group_name=group.name,
                description=f"{context.prefix}: {job.module}",
                schedule_expression=job.schedule,
                schedule_expression_timezone="UTC",
                flexible_time_window={"mode": "OFF"},
                target=aws.scheduler.ScheduleTargetArgs(
                    arn=args.cluster.arn,
                    role_arn=starter.arn,
                    retry_policy=aws.scheduler.ScheduleTargetRetryPolicyArgs(
                        maximum_retry_attempts=START_RETRIES, maximum_event_age_in_seconds=START_WITHIN_SECONDS
                    ),
                    dead_letter_config=aws.scheduler.ScheduleTargetDeadLetterConfigArgs(arn=queue.arn),
                    ecs_parameters=aws.scheduler.ScheduleTargetEcsParametersArgs(
                        task_definition_arn=made.arn,
                        launch_type="FARGATE",
                        platform_version="LATEST",
                        network_configuration=aws.scheduler.ScheduleTargetEcsParametersNetworkConfigurationArgs(
                            subnets=args.subnets, security_groups=[args.security_group], assign_public_ip=False
                        ),
                        propagate_tags="TASK_DEFINITION",
                    ),
                ),
                opts=context.options(self, depends_on=[*ready, *args.after]),
            )
        self.register_outputs({"group": self.group})

    def _task(self, name: str, args: JobsArgs, job: Job, written: Any) -> aws.ecs.TaskDefinition:
        container = Container(
            job.name,
            args.image.image,
            ["-m", "infra.aws.job", job.name, job.module, *job.arguments],
            environment={**job.environment, NAMESPACE_VARIABLE: namespace(args.context.prefix)},
            mounts={TEMPORARY: f"/{TEMPORARY}"},
            stop_seconds=120,
        )
        return task(
            args.context,
            self,
            name,
            TaskArgs(
                job.cpu,
                job.memory,
                [container],
                written,
                args.image.repository_arn,
                volumes=[TEMPORARY],
                statements=job.statements,
            ),
        )


def start_statements(
    context: Context, family: str, execution_role: str, task_role: str, cluster: str, queue: str, key: str
) -> list[dict[str, Any]]:
    """What the Scheduler does: start this task in this cluster, with its two roles, or put the call into the queue."""
    return [
        {
            "Effect": "Allow",
            "Action": "ecs:RunTask",
            "Resource": context.arn("ecs", f"task-definition/{family}:*"),
            "Condition": {"ArnEquals": {"ecs:cluster": cluster}},
        },
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": [execution_role, task_role],
            "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        },
        # RunTask tags what it starts.
        {
            "Effect": "Allow",
            "Action": "ecs:TagResource",
            "Resource": context.arn("ecs", f"task/{context.prefix}/*"),
            "Condition": {"StringEquals": {"ecs:CreateAction": "RunTask"}},
        },
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue},
        {
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": key,
            "Condition": {"StringEquals": {"kms:ViaService": f"sqs.{context.settings.awsRegion}.amazonaws.com"}},
        },
    ]


def watch_seconds(schedule: str) -> int:
    """Within which time a job must have succeeded once: twice its rate. A cron expression may be weekly at most."""
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", schedule)
    if not found:
        return LONGEST_WATCH
    return min(2 * int(found[1]) * SECONDS[found[2]], LONGEST_WATCH)

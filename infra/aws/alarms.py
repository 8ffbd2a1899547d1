"""CloudWatch alarms over every part, the rules for what ECS reports as events, and the topic that all of them tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws.alarm import Alarm
from infra.aws.alarm_rules import Machine, brokers, doors, jobs_missed, lag, nodes, tasks
from infra.aws.context import Context
from infra.aws.ecs import policy
from infra.aws.jobs import Job, Jobs
from infra.aws.load_balancer import LoadBalancer
from infra.kafka import name_prefix

RUNBOOK = "docs/alarms.md"


@dataclass(frozen=True)
class AlarmsArgs:
    """What is watched."""

    context: Context
    key_arn: pulumi.Input[str]
    cluster_arn: pulumi.Input[str]
    balancer: LoadBalancer | None
    """None: collectors run in a cluster that its owner watches."""
    kafka_cluster: pulumi.Input[str] = ""
    """The MSK cluster's name."""
    broker_count: int = 0
    """With kafkaMode existing its owner watches the brokers: 0."""
    lag_known: bool = False
    """Whether MSK knows how far ClickHouse is behind: not with a cluster that is none of MSK's, or not named by its ARN."""
    machines: Sequence[Machine] = ()
    """ClickHouse nodes and Keepers."""
    jobs: Jobs | None = None
    scheduled: Sequence[Job] = ()


class Alarms(pulumi.ComponentResource):
    """Every alarm tells `topic_arn`, when it begins and when it is over."""

    topic_arn: pulumi.Output[str]
    names: list[str]

    def __init__(self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:Alarms", name, None, opts)
        context, settings = args.context, args.context.settings
        prefix = name_prefix(settings, context.stack)
        self.topic_arn = self._topic(name, args)
        wanted = [
            *(doors(args.balancer) if args.balancer else []),
            *tasks(context),
            *nodes(args.machines),
            *(brokers(args.kafka_cluster, args.broker_count) if args.broker_count else []),
            *(lag(args.kafka_cluster, settings.clickhouseShards, prefix) if args.lag_known else []),
            *(jobs_missed(context, args.jobs, args.scheduled) if args.jobs else []),
        ]
        for alarm in wanted:
            self._alarm(name, context, alarm)
        self.names = [alarm.name for alarm in wanted]
        self._events(name, args)
        self.register_outputs({"topicArn": self.topic_arn})

    def _alarm(self, name: str, context: Context, alarm: Alarm) -> None:
        aws.cloudwatch.MetricAlarm(
            f"{name}-{alarm.name}",
            name=context.name(alarm.name),
            alarm_description=f"{alarm.about} {RUNBOOK}#{alarm.section}",
            comparison_operator=alarm.comparison,
            threshold=alarm.threshold,
            evaluation_periods=alarm.periods,
            datapoints_to_alarm=alarm.periods,
            treat_missing_data=alarm.missing,
            alarm_actions=[self.topic_arn],
            ok_actions=[self.topic_arn],
            opts=context.options(self),
            **alarm.measured(),
        )

    def _topic(self, name: str, args: AlarmsArgs) -> pulumi.Output[str]:
        context, settings = args.context, args.context.settings
        if settings.alarmTopicArn:
            return pulumi.Output.from_input(settings.alarmTopicArn)
        topic = aws.sns.Topic(f"{name}-topic", kms_master_key_id=args.key_arn, opts=context.options(self))
        aws.sns.TopicPolicy(
            f"{name}-topic-policy",
            arn=topic.arn,
            policy=topic.arn.apply(lambda arn: topic_policy(arn, settings.awsAccount)),
            opts=context.options(self),
        )
        for number, address in enumerate(settings.alarmEmails):
            aws.sns.TopicSubscription(
                f"{name}-mail-{number + 1}",
                topic=topic.arn,
                protocol="email",
                endpoint=address,
                opts=context.options(self),
            )
        return topic.arn

    def _events(self, name: str, args: AlarmsArgs) -> None:
        """What no metric shows: a task that failed, a deployment that was given up."""
        context = args.context
        cluster = pulumi.Output.from_input(args.cluster_arn)
        services = f"{context.arn('ecs', f'service/{context.prefix}')}/"
        patterns = {
            "task-failed": cluster.apply(failed_tasks),
            "deployment-failed": pulumi.Output.json_dumps(
                {
                    "source": ["aws.ecs"],
                    "detail-type": ["ECS Deployment State Change"],
                    "resources": [{"prefix": services}],
                    "detail": {"eventName": ["SERVICE_DEPLOYMENT_FAILED"]},
                },
                sort_keys=True,
            ),
        }
        for event, pattern in patterns.items():
            rule = aws.cloudwatch.EventRule(
                f"{name}-{event}",
                description=f"{context.prefix}: {event}. {RUNBOOK}#{event}",
                event_pattern=pattern,
                opts=context.options(self),
            )
            aws.cloudwatch.EventTarget(
                f"{name}-{event}-topic", rule=rule.name, arn=self.topic_arn, opts=context.options(self)
            )


def failed_tasks(cluster_arn: str) -> str:
    """An event pattern: tasks that could not start, or ended with an error. What a deployment, a scaling or Spot stops
    ends in another way; a job that did its work ends with 0."""
    import json

    failed = [
        {"stopCode": ["TaskFailedToStart"]},
        {"stopCode": ["EssentialContainerExited"], "containers": {"exitCode": [{"anything-but": [0]}]}},
    ]
    return json.dumps(
        {
            "source": ["aws.ecs"],
            "detail-type": ["ECS Task State Change"],
            "detail": {"clusterArn": [cluster_arn], "lastStatus": ["STOPPED"], "$or": failed},
        },
        sort_keys=True,
    )


def topic_policy(arn: str, account: str) -> str:
    """Alarms and event rules of this account may write, over TLS."""
    write = {
        "Sid": "AlarmsAndRules",
        "Effect": "Allow",
        "Principal": {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]},
        "Action": "sns:Publish",
        "Resource": arn,
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }
    refused = {
        "Sid": "OnlyTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sns:Publish",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return policy([write, refused])

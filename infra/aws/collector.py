"""The collector on ECS Fargate: behind the load balancer, over the zones, as many tasks as the traffic asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws.access import CollectorTasks, KeyBucketCredential
from infra.aws.context import Context
from infra.aws.ecs import TaskCluster, logs
from infra.aws.kafka_producer import KafkaProducer
from infra.aws.key_list import KeyList
from infra.aws.load_balancer import GRPC_PORT, HTTPS_PORT, LoadBalancer
from infra.aws.tasks import Container, ServiceArgs, TaskArgs, service, task
from infra.collector import (
    CPU_PERCENT,
    IMAGE,
    JWKS_FILE,
    KEYS_FOLDER,
    SIDE_MIB,
    STOP_SECONDS,
    SYNC_SECONDS,
    config_hash,
    go_memory_limit,
    memory_limit_mib,
)
from infra.collector_config import CollectorPlace, collector_config
from infra.emf import NAMESPACE_VARIABLE, namespace
from infra.endpoints import OtlpEndpoint, access_input
from infra.images import image_reference
from infra.kafka import name_prefix
from infra.settings import Settings

REQUESTS_PER_TASK_MINUTE = 60_000
"""Requests a minute and task at which tasks are added; the CPU decides earlier where requests are large."""


@dataclass(frozen=True)
class CollectorArgs:
    """What the collector needs of the other parts."""

    context: Context
    cluster: TaskCluster
    balancer: LoadBalancer
    subnets: pulumi.Input[Sequence[pulumi.Input[str]]]
    """Private ones, one a zone."""
    security_group: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    kafka: KafkaProducer
    sidecar_image: pulumi.Input[str]
    """The worker's image."""
    repository_arn: pulumi.Input[str]


def place(settings: Settings, topic_prefix: str = "") -> CollectorPlace:
    """What AWS decides about the collector's configuration."""
    scram = settings.kafkaAuth == "scram"
    return CollectorPlace(
        bind="0.0.0.0",
        jwks_file=JWKS_FILE,
        memory_limit_mib=memory_limit_mib(settings.collectorMemoryMiB),
        sasl="SCRAM-SHA-512" if scram else "AWS_MSK_IAM_OAUTHBEARER",
        topic_prefix=topic_prefix,
        region=settings.awsRegion,
    )


class Collector(pulumi.ComponentResource):
    """`endpoint`: where agents send; `service` and `task`: what rollout.py compares; `fingerprint` changes with the
    image or the configuration."""

    endpoint: OtlpEndpoint
    fingerprint: pulumi.Output[str]
    service: aws.ecs.Service
    task: aws.ecs.TaskDefinition
    key_list: KeyList

    def __init__(self, name: str, args: CollectorArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:Collector", name, None, opts)
        context, settings = args.context, args.context.settings
        self.key_list = KeyList(f"{name}-keys", context, args.key_arn, context.options(self))
        config = pulumi.Output.from_input(args.kafka.brokers).apply(
            lambda brokers: collector_config(settings, brokers, place(settings, name_prefix(settings, context.stack)))
        )
        self.task = self._task(name, args, config)
        balancer = args.balancer
        self.service = service(
            context,
            self,
            name,
            ServiceArgs(
                args.cluster,
                self.task,
                args.subnets,
                args.security_group,
                count=settings.collectorMinTasks,
                spot=settings.collectorSpot,
                targets=[
                    aws.ecs.ServiceLoadBalancerArgs(
                        target_group_arn=group.arn, container_name="collector", container_port=port
                    )
                    for group, port in ((balancer.http, settings.otlpHttpPort), (balancer.grpc, settings.otlpGrpcPort))
                ],
                scaled=True,
                after=[*balancer.listeners, *self.key_list.ready, *args.kafka.after],
            ),
        )
        self._autoscaling(name, args)
        domain, reached = settings.collectorDomain, self.service.id
        self.endpoint = OtlpEndpoint(
            http_url=reached.apply(lambda _: f"https://{domain}:{HTTPS_PORT}"),
            grpc_target=reached.apply(lambda _: f"{domain}:{GRPC_PORT}"),
            access=access_input(
                KeyBucketCredential,
                region=settings.awsRegion,
                bucket=self.key_list.bucket_name,
                key=self.key_list.key,
            ),
            metrics=access_input(
                CollectorTasks,
                region=settings.awsRegion,
                cluster=args.cluster.name,
                service=self.service.name,
                port=settings.collectorMetricsPort,
            ),
        )
        self.fingerprint = config.apply(lambda text: config_hash(image_reference(IMAGE), text))
        self.register_outputs({"httpUrl": self.endpoint.http_url, "grpcTarget": self.endpoint.grpc_target})

    def _task(self, name: str, args: CollectorArgs, config: pulumi.Output[str]) -> aws.ecs.TaskDefinition:
        context, settings = args.context, args.context.settings
        written = logs(context, self, name, args.key_arn)
        scram = settings.kafkaAuth == "scram"
        arn = pulumi.Output.from_input(args.kafka.secret_arn)
        collector = Container(
            "collector",
            image_reference(IMAGE),
            ["--config=env:OTEL_CONFIG"],
            environment={
                "OTEL_CONFIG": config,
                "GOMEMLIMIT": go_memory_limit(settings.collectorMemoryMiB),
            },
            # The container gets one key of the secret's JSON each; neither is in the task definition.
            secrets={
                "KAFKA_USERNAME": arn.apply(lambda found: f"{found}:username::"),
                "KAFKA_PASSWORD": arn.apply(lambda found: f"{found}:password::"),
            }
            if scram
            else {},
            ports=[
                settings.otlpGrpcPort,
                settings.otlpHttpPort,
                settings.collectorHealthPort,
                settings.collectorMetricsPort,
            ],
            memory=settings.collectorMemoryMiB - SIDE_MIB,
            mounts={KEYS_FOLDER: f"/{KEYS_FOLDER}"},
            read_only=[KEYS_FOLDER],
            after=["key-list"],
            stop_seconds=STOP_SECONDS,
            labels={
                "config-sha256": config.apply(lambda text: hashlib.sha256(text.encode()).hexdigest()),
                "kafka-secret-version": args.kafka.secret_version,
            },
        )
        allowed = pulumi.Output.all(self.key_list.read_statements(), args.kafka.statements)
        return task(
            context,
            self,
            name,
            TaskArgs(
                settings.collectorCpu,
                settings.collectorMemoryMiB,
                [self._sync(args), collector],
                written,
                args.repository_arn,
                volumes=[KEYS_FOLDER],
                secrets=args.kafka.secret_statements,
                statements=allowed.apply(lambda lists: [*lists[0], *lists[1]]),
            ),
        )

    def _sync(self, args: CollectorArgs) -> Container:
        context, keys = args.context, self.key_list
        where = ["--region", context.settings.awsRegion, "--bucket", keys.bucket_name, "--key", keys.key]
        return Container(
            "key-list",
            args.sidecar_image,
            ["-m", "infra.aws.keylist_sync", *where, "--file", JWKS_FILE, "--every", str(SYNC_SECONDS)],
            environment={NAMESPACE_VARIABLE: namespace(context.prefix)},
            memory=SIDE_MIB,
            mounts={KEYS_FOLDER: f"/{KEYS_FOLDER}"},
            # Whether there is a list, not whether it is fresh: with S3 away the collectors go on with what they have.
            health={
                "command": ["CMD-SHELL", f"test -s {JWKS_FILE}"],
                "interval": 5,
                "timeout": 2,
                "retries": 10,
                "startPeriod": 60,
            },
            restart=True,
        )

    def _autoscaling(self, name: str, args: CollectorArgs) -> None:
        context, settings, balancer = args.context, args.context.settings, args.balancer
        target = aws.appautoscaling.Target(
            f"{name}-scaling",
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=pulumi.Output.concat("service/", args.cluster.name, "/", self.service.name),
            min_capacity=settings.collectorMinTasks,
            max_capacity=settings.collectorMaxTasks,
            opts=context.options(self),
        )
        metrics: dict[str, tuple[str, float, pulumi.Output[str] | None]] = {
            "cpu": ("ECSServiceAverageCPUUtilization", CPU_PERCENT, None),
        }
        for kind, group in (("http", balancer.http), ("grpc", balancer.grpc)):
            label = pulumi.Output.concat(balancer.arn_suffix, "/", group.arn_suffix)
            metrics[f"{kind}-requests"] = ("ALBRequestCountPerTarget", REQUESTS_PER_TASK_MINUTE, label)
        for kind, (metric, wanted, label) in metrics.items():
            aws.appautoscaling.Policy(
                f"{name}-scaling-{kind}",
                policy_type="TargetTrackingScaling",
                service_namespace=target.service_namespace,
                scalable_dimension=target.scalable_dimension,
                resource_id=target.resource_id,
                target_tracking_scaling_policy_configuration={
                    "target_value": wanted,
                    "predefined_metric_specification": {"predefined_metric_type": metric, "resource_label": label},
                    "scale_out_cooldown": 60,
                    "scale_in_cooldown": 300,
                },
                opts=context.options(self),
            )

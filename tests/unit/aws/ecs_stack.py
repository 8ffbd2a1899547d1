"""The parts that run on ECS under Pulumi mocks: cluster, image, load balancer, collector, worker, jobs, alarms."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pulumi

from infra.aws.alarms import Alarms, AlarmsArgs
from infra.aws.collector import Collector, CollectorArgs
from infra.aws.context import Context, make_provider, tagging
from infra.aws.ecs import TaskCluster, secret_statements
from infra.aws.image import WorkerImage, WorkerImageArgs
from infra.aws.jobs import Job, Jobs, JobsArgs
from infra.aws.kafka_producer import KafkaProducer
from infra.aws.load_balancer import LoadBalancer, LoadBalancerArgs
from infra.aws.worker import Worker, WorkerArgs
from infra.settings import Settings, parse_settings
from tests.unit.aws.mocks import ACCOUNT, REGION, Cloud, program

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/stack"
KAFKA_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/kafka"
SUBNETS = ["subnet-a", "subnet-b"]
SECRETS = {
    name: f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}" for name in ("collector", "worker", "clickhouse")
}
KAFKA_IAM = [{"Effect": "Allow", "Action": "kafka-cluster:Connect", "Resource": "arn:aws:kafka:cluster"}]
MACHINE: dict[str, Any] = {
    "node": "clickhouse-1",
    "host": "clickhouse-1.dev.agent-telemetry.internal",
    "instance_id": "i-1",
    "volume_ids": {"hot": "vol-1"},
    "mounts": ["/var/lib/clickhouse"],
}
BACKUP = Job("backup", "infra.aws.clickhouse.backup", "rate(1 day)", statements=KAFKA_IAM)


@dataclass(frozen=True)
class Made:
    """What was declared."""

    cloud: Cloud
    settings: Settings
    collector: Collector
    worker: Worker
    jobs: Jobs
    alarms: Alarms


def settings(**more: Any) -> Settings:
    """A stack's settings on AWS."""
    given = {
        "platform": "aws",
        "env": "dev",
        "collectorAuth": "jwt",
        "grafanaMode": "none",
        "budgetWebhookUrl": "https://gateway.example.com/budgets",
        "budgetWebhookSecretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:budget-webhook-AbCdEf",
        "collectorZoneId": "Z123",
        "protect": False,
        **more,
    }
    return parse_settings(given, "test")


_MADE: dict[str, Made] = {}


def declare(preview: bool = False, **more: Any) -> Made:
    """Everything on ECS; made once for the same settings."""
    key = json.dumps([preview, more], sort_keys=True)
    if key not in _MADE:
        _MADE[key] = _declared(preview, settings(**more))
    return _MADE[key]


def _declared(preview: bool, chosen: Settings) -> Made:
    scram = chosen.kafkaAuth == "scram"
    with program(preview) as cloud:
        cloud.outputs.update(COMPUTED)
        pulumi.runtime.register_stack_transformation(tagging(chosen, "dev"))
        context = Context(chosen, "dev", make_provider(chosen))
        cluster = TaskCluster("tasks", context, KEY)
        image = WorkerImage("worker-image", WorkerImageArgs(context, KEY))
        balancer = LoadBalancer("load-balancer", LoadBalancerArgs(context, "vpc-1", ["subnet-public"], "sg-balancer"))
        collector = Collector(
            "collector",
            CollectorArgs(
                context,
                cluster,
                balancer,
                SUBNETS,
                "sg-collector",
                KEY,
                KafkaProducer(
                    brokers="b-1.msk:9096,b-2.msk:9096",
                    secret_arn=SECRETS["collector"] if scram else "",
                    secret_version="version-1" if scram else "",
                    secret_statements=secret_statements(REGION, [SECRETS["collector"]], [KAFKA_KEY]) if scram else [],
                    statements=[] if scram else KAFKA_IAM,
                ),
                sidecar_image=image.image,
                repository_arn=image.repository_arn,
            ),
        )
        worker = Worker(
            "worker",
            WorkerArgs(
                context,
                cluster,
                image,
                SUBNETS,
                "sg-worker",
                KEY,
                config=json.dumps({"kafka": {}}),
                key_list=collector.key_list,
                secrets=[SECRETS["worker"], SECRETS["clickhouse"]],
                secret_keys=[KEY, KAFKA_KEY],
                statements=[*KAFKA_IAM, *cluster.task_statements()],
            ),
        )
        jobs = Jobs("jobs", JobsArgs(context, cluster, image, SUBNETS, "sg-worker", KEY, [BACKUP]))
        alarms = Alarms(
            "alarms",
            AlarmsArgs(
                context,
                KEY,
                cluster.arn,
                balancer,
                kafka_cluster="msk",
                broker_count=2,
                lag_known=True,
                machines=[cast(Any, SimpleNamespace(**MACHINE))],
                jobs=jobs,
                scheduled=[BACKUP],
            ),
        )
    return Made(cloud, chosen, collector, worker, jobs, alarms)


COMPUTED: dict[str, dict[str, Any]] = {
    "aws:acm/certificate:Certificate": {
        "domainValidationOptions": [
            {
                "domainName": "otlp.example.com",
                "resourceRecordName": "_proof.otlp.example.com",
                "resourceRecordType": "CNAME",
                "resourceRecordValue": "_value.acm-validations.aws",
            }
        ]
    },
    "aws:lb/targetGroup:TargetGroup": {"arnSuffix": "targetgroup/x/1"},
    "pulumi-python:dynamic/aws:WorkerImage": {
        "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/agent-telemetry-dev/worker@sha256:{'1' * 64}"
    },
}


def containers(made: Made, task: str) -> dict[str, dict[str, Any]]:
    """A task definition's containers by name."""
    found = made.cloud.one("aws:ecs/taskDefinition:TaskDefinition", f"{task}-task-definition")
    return {item["name"]: item for item in json.loads(found.inputs["containerDefinitions"])}


def statements(made: Made, role: str) -> list[dict[str, Any]]:
    """A role's inline policy."""
    return json.loads(made.cloud.one("aws:iam/rolePolicy:RolePolicy", f"{role}-policy").inputs["policy"])["Statement"]

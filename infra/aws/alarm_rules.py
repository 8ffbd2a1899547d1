"""Which alarms there are: what is measured, from where on it is too much, and what a person should do (docs/alarms.md)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import pulumi

from infra.aws.alarm import Alarm, Source
from infra.aws.clickhouse import names
from infra.aws.clickhouse.apply.expiry import DIMENSION as EXPIRY_DIMENSION
from infra.aws.clickhouse.apply.expiry import METRIC as EXPIRY_METRIC
from infra.aws.context import Context
from infra.aws.job import FAILED, SUCCEEDED
from infra.aws.jobs import Job, Jobs, watch_seconds
from infra.aws.keylist_sync import METRIC as KEY_LIST_AGE
from infra.aws.load_balancer import LoadBalancer
from infra.emf import namespace
from infra.shards import named
from infra.worker.positions import GROUPS, group_of
from infra.worker.pulse import FIGURE, HEARTBEAT, SINCE_DONE

LAG_SECONDS = 300
FULL_PERCENT = 80
"""Of a disk: time is left to enlarge it, which EBS does at most every six hours."""
STALE_SECONDS = 180
CANARY_SECONDS = 60
UNTOLD_SECONDS = 300
ERROR_PERCENT = 5
CERTIFICATE_DAYS = 45
"""An `up` renews from 60 days on: there was no `up` for a fortnight, or what is given was not renewed."""
BALANCER_CERTIFICATE_DAYS = 30
"""ACM renews its own 45 days before their end: below, that has failed, or the certificate was imported."""


def doors(balancer: LoadBalancer) -> Iterator[Alarm]:
    """The load balancer and what is behind it."""
    for kind, group in (("http", balancer.http), ("grpc", balancer.grpc)):
        source = Source("AWS/ApplicationELB", {"LoadBalancer": balancer.arn_suffix, "TargetGroup": group.arn_suffix})
        yield source.alarm(
            f"collector-none-{kind}",
            f"No collector task takes OTLP over {kind}: agents get errors now.",
            "HealthyHostCount",
            "Maximum",
            1,
            comparison="LessThanThreshold",
            periods=2,
            missing="breaching",
            section="collector-none",
        )
        yield source.alarm(
            f"collector-unhealthy-{kind}",
            f"A collector task has failed its health check ({kind}) for five minutes.",
            "UnHealthyHostCount",
            "Maximum",
            1,
            section="collector-unhealthy",
        )
    yield Source("AWS/CertificateManager", {"CertificateArn": balancer.certificate_arn}).alarm(
        "load-balancer-certificate",
        f"The load balancer's certificate ends in less than {BALANCER_CERTIFICATE_DAYS} days.",
        "DaysToExpiry",
        "Minimum",
        BALANCER_CERTIFICATE_DAYS,
        comparison="LessThanThreshold",
        # Measured twice a day, and no longer once it has ended: then the alarm stays as it is.
        period=86400,
        periods=1,
        missing="ignore",
    )
    whole = Source("AWS/ApplicationELB", {"LoadBalancer": balancer.arn_suffix})
    for metric, who in (("HTTPCode_Target_5XX_Count", "collector"), ("HTTPCode_ELB_5XX_Count", "load-balancer")):
        yield whole.alarm(
            f"{who}-errors",
            f"{ERROR_PERCENT} % of the requests are answered with an error by the {who.replace('-', ' ')}.",
            metric,
            "Sum",
            ERROR_PERCENT,
            share_of="RequestCount",
            section="collector-errors",
        )


def tasks(context: Context) -> Iterator[Alarm]:
    """The worker, its steps, and the key lists beside the collectors."""
    settings = context.settings
    ours = namespace(context.prefix)
    yield Source(ours, {"Part": "worker"}).alarm(
        "worker-silent",
        "The worker has given no heartbeat for two minutes.",
        HEARTBEAT,
        "Sum",
        1,
        comparison="LessThanThreshold",
        periods=2,
        missing="breaching",
    )
    if settings.collectorPlatform == "ecs":  # its figure is a line in CloudWatch's logs
        yield Source(ours, {"Part": "key-list"}).alarm(
            "key-list-stale",
            "A collector's list of live credentials is old: new tenants are refused, revoked ones still get in.",
            KEY_LIST_AGE,
            "Maximum",
            STALE_SECONDS,
            missing="breaching",
        )
    every = {
        "recompute": settings.workerRecomputeSeconds,
        "audit": settings.workerAuditSeconds,
        "canary": settings.workerCanarySeconds,
        "budgets": settings.workerBudgetSeconds,
        "samples": settings.workerSampleSeconds,
    }
    every |= {f"recompute-{shard}": every["recompute"] for shard in range(2, settings.clickhouseShards + 1)}
    for step, seconds in every.items():
        yield Source(ours, {"Step": step}).alarm(
            f"worker-{step}-stuck",
            f"The worker has not got its step {step} done for a while; its log says why.",
            SINCE_DONE,
            "Maximum",
            STALE_SECONDS + 3 * seconds,
            section="worker-stuck",
        )
    yield Source(ours, {"Step": "canary"}).alarm(
        "canary-slow",
        f"A trace takes longer than {CANARY_SECONDS} s from the door to ClickHouse.",
        FIGURE,
        "Maximum",
        CANARY_SECONDS,
    )
    if settings.budgetWebhookUrl:
        # Also when the secret can't be read, and so nothing is tried at all.
        yield Source(ours, {"Step": "notify"}).alarm(
            "worker-notify-stuck",
            "The worker has not got its step notify done for a while; its log says why.",
            SINCE_DONE,
            "Maximum",
            STALE_SECONDS,
            section="budget-webhook",
        )
        yield Source(ours, {"Step": "notify"}).alarm(
            "budget-webhook",
            f"An event of a budget has waited for its receiver for more than {UNTOLD_SECONDS // 60} minutes.",
            FIGURE,
            "Maximum",
            UNTOLD_SECONDS,
        )
    yield Source(ours, {"Step": "audit"}).alarm(
        "audit-differs",
        "What arrived and what is stored have differed for a quarter of an hour, repairs included.",
        FIGURE,
        "Minimum",
        1,
        period=300,
        periods=3,
    )


class Machine(Protocol):
    """What is known of an instance (clickhouse/node.py)."""

    @property
    def node(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def instance_id(self) -> pulumi.Input[str]: ...
    @property
    def volume_ids(self) -> Mapping[str, pulumi.Input[str]]: ...
    @property
    def mounts(self) -> Sequence[str]: ...


def nodes(machines: Sequence[Machine]) -> Iterator[Alarm]:
    """ClickHouse nodes and Keepers: the machine, its volumes, its disks, its memory."""
    for machine in machines:
        node = machine.node
        identity = {"InstanceId": machine.instance_id}
        agent = Source(names.METRICS, identity)
        yield Source("AWS/EC2", identity).alarm(
            f"{node}-down",
            f"{node}: the instance fails its status check, or is stopped.",
            "StatusCheckFailed",
            "Maximum",
            1,
            periods=3,
            missing="breaching",
            section="node-down",
        )
        yield agent.alarm(
            f"{node}-memory",
            f"{node}: memory is nearly full.",
            "mem_used_percent",
            "Average",
            95,
            periods=15,
            section="node-memory",
        )
        yield Source(names.METRICS, {EXPIRY_DIMENSION: machine.host}).alarm(
            f"{node}-certificate",
            f"{node}: its certificate or a CA that it trusts ends in less than {CERTIFICATE_DAYS} days.",
            EXPIRY_METRIC,
            "Minimum",
            CERTIFICATE_DAYS,
            comparison="LessThanThreshold",
            # Measured every half hour (apply/expiry.py); silence means that nobody would notice.
            period=3600,
            periods=3,
            missing="breaching",
            section="node-certificate",
        )
        for path in ("/", *machine.mounts):
            yield Source(names.METRICS, {**identity, "path": path}).alarm(
                f"{node}-disk-{path.strip('/').replace('/', '-') or 'root'}",
                f"{node}: {path} is {FULL_PERCENT} % full.",
                "disk_used_percent",
                "Maximum",
                FULL_PERCENT,
                # Also when the agent says nothing: a disk that nobody watches fills up unseen.
                missing="breaching",
                periods=10,
                section="node-disk",
            )
        for purpose, volume in machine.volume_ids.items():
            yield Source("AWS/EBS", {"VolumeId": volume}).alarm(
                f"{node}-volume-{purpose}",
                f"{node}: the volume {purpose} answers no I/O.",
                "VolumeStalledIOCheck",
                "Maximum",
                1,
                section="volume",
            )


def brokers(cluster: pulumi.Input[str], count: int) -> Iterator[Alarm]:
    """MSK: disks and partitions without a leader."""
    name = "Cluster Name"
    for broker in range(1, count + 1):
        yield Source("AWS/Kafka", {name: cluster, "Broker ID": str(broker)}).alarm(
            f"kafka-disk-{broker}",
            f"Broker {broker}: its volume is {FULL_PERCENT} % full and did not grow by itself.",
            "KafkaDataLogsDiskUsed",
            "Maximum",
            FULL_PERCENT,
            period=300,
            periods=3,
            section="kafka-disk",
        )
    yield Source("AWS/Kafka", {name: cluster}).alarm(
        "kafka-offline", "Partitions have no leader: requests are refused.", "OfflinePartitionsCount", "Maximum", 1
    )


def lag(cluster: pulumi.Input[str], shards: int = 1, prefix: str = "") -> Iterator[Alarm]:
    """How far ClickHouse is behind, as MSK sees it: ours to know, whoever owns the cluster. `prefix`: see
    infra.kafka.name_prefix."""
    name = "Cluster Name"
    for topic, shard in itertools.product(GROUPS, range(1, shards + 1)):
        dimensions = {name: cluster, "Consumer Group": group_of(topic, shard, prefix), "Topic": f"{prefix}{topic}"}
        yield Source("AWS/Kafka", dimensions).alarm(
            named(f"kafka-lag-{topic}", shard),
            f"ClickHouse{f', shard {shard},' if shard > 1 else ''} needs more than {LAG_SECONDS // 60} minutes to catch up with {topic}.",
            "EstimatedMaxTimeLag",
            "Maximum",
            LAG_SECONDS,
            section="kafka-lag",
        )


def jobs_missed(context: Context, jobs: Jobs, scheduled: Sequence[Job]) -> Iterator[Alarm]:
    """Jobs that failed, that did not succeed when they should have, and that could not be started."""
    ours = namespace(context.prefix)
    for job in scheduled:
        source = Source(ours, {"Job": job.name})
        yield source.alarm(
            f"job-{job.name}-failed",
            f"The job {job.name} failed; its log says why.",
            FAILED,
            "Sum",
            1,
            period=300,
            periods=1,
            section="job-failed",
        )
        watched = watch_seconds(job.schedule)
        period = 3600 if watched >= 3600 else 60
        yield source.alarm(
            f"job-{job.name}-missed",
            f"The job {job.name} ({job.schedule}) has not succeeded for {watched // 3600 or 1} h.",
            SUCCEEDED,
            "Sum",
            1,
            comparison="LessThanThreshold",
            period=period,
            periods=-(-watched // period),
            missing="breaching",
            section="job-missed",
        )
    yield Source("AWS/SQS", {"QueueName": jobs.queue_name}).alarm(
        "job-not-started",
        "The Scheduler could not start a job; the queue holds what it tried.",
        "ApproximateNumberOfMessagesVisible",
        "Maximum",
        1,
        periods=1,
        section="job-missed",
    )

"""Collectors that run in a Kubernetes cluster, as AWS sees them: their key list, role, reports, and the domain's record.

Who declares them there is given from outside (infra/pipeline.py): this platform knows no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.access import KeyBucketCredential
from infra.aws.buckets import BucketArgs, PrivateBucket
from infra.aws.context import Context
from infra.aws.eks import eks_cluster
from infra.aws.firewall import kafka_ports
from infra.aws.kafka_producer import KafkaProducer
from infra.aws.key_list import KeyList
from infra.aws.pod_reports import PREFIX, ReportedCollectors
from infra.aws.pod_role import pod_role
from infra.collector import (
    JWKS_FILE,
    KEYS_FOLDER,
    SYNC_SECONDS,
    CollectorNeeds,
    Elsewhere,
    Identity,
    SideProgram,
)
from infra.endpoints import OtlpEndpoint, access_input
from infra.kafka import name_prefix

KAFKA_FILES = {part: f"/{KEYS_FOLDER}/kafka-{part}" for part in ("username", "password")}
REPORTS_DAYS = 1
RECORD_SECONDS = 60


@dataclass(frozen=True)
class CollectorElsewhereArgs:
    """What the collectors need of the other parts."""

    context: Context
    declare: Elsewhere
    key_arn: pulumi.Input[str]
    kafka: KafkaProducer
    side_image: pulumi.Input[str]
    """The worker's image, for the nodes' architecture."""
    nat_addresses: Sequence[pulumi.Input[str]] | pulumi.Output[Sequence[str]] = ()
    """Where the worker's canary comes from, out of a VPC that is made here."""


class CollectorElsewhere(pulumi.ComponentResource):
    """`endpoint`: where agents send; `address`: what the domain has to lead to."""

    endpoint: OtlpEndpoint
    fingerprint: pulumi.Output[str]
    address: pulumi.Output[str]
    key_list: KeyList

    def __init__(self, name: str, args: CollectorElsewhereArgs, opts: pulumi.ResourceOptions | None = None):
        # The same type as on ECS: the key list in it, whose bucket has a fixed name and must not be lost, stays where it is
        # when collectors move.
        super().__init__("agent-telemetry:aws:Collector", name, None, opts)
        context, settings = args.context, args.context.settings
        self.key_list = KeyList(f"{name}-keys", context, args.key_arn, context.options(self))
        self._reports = PrivateBucket(
            f"{name}-reports",
            BucketArgs(context, key_arn=args.key_arn, expire_prefixes={PREFIX: REPORTS_DAYS}),
            context.options(self),
        )
        self._reports_arn, self._key_arn = self._reports.arn, args.key_arn
        self._region = settings.awsRegion
        identity, allowed = pod_role(context, self, name, self._statements(args))
        after = [*self.key_list.ready, *self._reports.ready, *allowed, *args.kafka.after]
        needs = self._needs(args, identity, after)
        made = args.declare(name, needs, context.options(self))
        self.endpoint, self.fingerprint, self.address = made.endpoint, made.fingerprint, made.address
        self._record(name, context)
        self.register_outputs({"httpUrl": self.endpoint.http_url, "address": self.address})

    def worker_statements(self) -> pulumi.Output[list[dict[str, Any]]]:
        """For who reads the reports."""
        region = self._region
        return pulumi.Output.all(self._reports_arn, self._key_arn).apply(
            lambda found: [
                {
                    "Effect": "Allow",
                    "Action": "s3:ListBucket",
                    "Resource": found[0],
                    "Condition": {"StringLike": {"s3:prefix": f"{PREFIX}*"}},
                },
                {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{found[0]}/{PREFIX}*"},
                _for_s3(region, "kms:Decrypt", found[1]),
            ]
        )

    def _statements(self, args: CollectorElsewhereArgs) -> pulumi.Output[list[dict[str, Any]]]:
        """What the pods may do: read the list and Kafka's user, write their reports, use Kafka."""
        region = self._region
        reports = pulumi.Output.all(self._reports_arn, self._key_arn).apply(
            lambda found: [
                {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"{found[0]}/{PREFIX}*"},
                _for_s3(region, "kms:GenerateDataKey", found[1]),
            ]
        )
        parts = pulumi.Output.all(
            self.key_list.read_statements(), reports, args.kafka.secret_statements, args.kafka.statements
        )
        return parts.apply(lambda lists: [item for part in lists for item in part])

    def _needs(
        self, args: CollectorElsewhereArgs, identity: Identity, after: Sequence[pulumi.Resource]
    ) -> CollectorNeeds:
        context, settings, keys = args.context, args.context.settings, self.key_list
        scram = settings.kafkaAuth == "scram"
        command: list[pulumi.Input[str]] = [
            *("-m", "infra.aws.pod_side", "--region", settings.awsRegion),
            *("--bucket", keys.bucket_name, "--key", keys.key, "--file", JWKS_FILE, "--every", str(SYNC_SECONDS)),
            *("--reports", self._reports.name),
            *("--metrics", f"http://127.0.0.1:{settings.collectorMetricsPort}/metrics"),
        ]
        if scram:
            command += ["--kafka-secret", args.kafka.secret_arn]
            command += ["--username", KAFKA_FILES["username"], "--password", KAFKA_FILES["password"]]
        cluster = eks_cluster(context, self) if settings.kubernetesEksCluster else None
        return CollectorNeeds(
            settings,
            context.prefix,
            args.kafka.brokers,
            kafka_ports(settings),
            _broker_cidrs(context),
            SideProgram(args.side_image, command),
            identity,
            KAFKA_FILES if scram else {},
            args.kafka.secret_version,
            access=access_input(KeyBucketCredential, region=settings.awsRegion, bucket=keys.bucket_name, key=keys.key),
            metrics=access_input(ReportedCollectors, region=settings.awsRegion, bucket=self._reports.name),
            topic_prefix=name_prefix(settings, context.stack),
            callers=pulumi.Output.from_input(args.nat_addresses).apply(
                lambda found: [f"{address}/32" for address in found]
            ),
            kubeconfig=cluster.kubeconfig if cluster else None,
            version=cluster.version if cluster else "",
            after=after,
        )

    def _record(self, name: str, context: Context) -> None:
        """collectorDomain to the cluster's load balancer, where its zone is given."""
        settings = context.settings
        if not settings.collectorZoneId:
            return
        by_number = self.address.apply(lambda found: found.replace(".", "").isdigit())
        aws.route53.Record(
            f"{name}-name",
            zone_id=settings.collectorZoneId,
            name=settings.collectorDomain,
            type=by_number.apply(lambda number: "A" if number else "CNAME"),
            records=[self.address],
            ttl=RECORD_SECONDS,
            opts=context.options(self),
        )


def _for_s3(region: str, action: str, key_arn: str) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": action,
        "Resource": key_arn,
        "Condition": {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}},
    }


def _broker_cidrs(context: Context) -> list[str]:
    settings = context.settings
    if settings.kafkaMode == "existing":
        return list(settings.kafkaBrokerCidrs)
    return [] if settings.networkVpcId or settings.shares("network") else [settings.networkCidr]

"""Kafka on AWS: an MSK cluster made here, or one that exists, or another stack's. Ends in a KafkaEndpoint.

One operation at a time is all that MSK does: cluster, then users, then topic after topic.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.access import KafkaSecret
from infra.aws.context import Context
from infra.aws.firewall import Firewall
from infra.aws.kafka_cluster import Brokers, cluster, server_properties
from infra.aws.kafka_iam import KafkaIam
from infra.aws.kafka_policy import client_statements
from infra.aws.kafka_topics import by_hand, msk_topics
from infra.aws.kafka_users import USERS, users
from infra.aws.lent import Lent
from infra.aws.network import Network
from infra.endpoints import KafkaEndpoint, access_input
from infra.kafka import name_prefix, topics
from infra.settings import Settings


@dataclass(frozen=True)
class KafkaArgs:
    """What Kafka needs."""

    context: Context
    network: Network
    firewall: Firewall
    key_arn: pulumi.Input[str]


class Kafka(pulumi.ComponentResource):
    """The cluster with its users and topics; `endpoint` is where it listens and how the worker signs in."""

    endpoint: KafkaEndpoint
    topics: list[pulumi.Resource]
    """In the order in which they are made: after the last of them Kafka is ready for clients."""
    fingerprint: pulumi.Output[str]
    cluster_arn: pulumi.Output[str]
    """'' where the cluster exists and is not MSK's, or its ARN was not given."""
    cluster_name: pulumi.Output[str]
    """The dimension of its metrics; '' as with cluster_arn."""
    credentials: Mapping[str, pulumi.Output[str]]
    """kafkaAuth scram: collector, clickhouse, worker to the ARN of its secret, {"username", "password"}. iam: empty."""
    credential_versions: Mapping[str, pulumi.Output[str]]
    """The same users to the id of the secret's present value; empty where the secret is not ours."""
    credentials_key_arn: pulumi.Output[str]
    """The key that whoever reads a credential must be allowed to decrypt with; '' with iam."""

    def __init__(self, name: str, args: KafkaArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:Kafka", name, None, opts)
        settings = args.context.settings
        self._settings = settings
        self.credential_versions = {}
        self._prefix = name_prefix(settings, args.context.stack)
        if lent := args.context.lends("kafka"):
            self._lent(name, args, lent)
        elif settings.kafkaMode == "existing":
            self._existing(args)
        else:
            self._provisioned(name, args)
        self.register_outputs({"bootstrapServers": self.endpoint.bootstrap_servers, "clusterArn": self.cluster_arn})

    def client_policy(self, user: str) -> pulumi.Output[list[dict[str, Any]]]:
        """IAM statements that let the role of `user` (collector, clickhouse, worker) use Kafka. With scram there are
        none: the role reads credentials[user] instead."""
        if self._settings.kafkaAuth == "scram":
            return pulumi.Output.from_input([])
        names = [topic["name"] for topic in topics(self._settings)]
        return self.cluster_arn.apply(lambda arn: client_statements(user, arn, names, self._prefix))

    def _provisioned(self, name: str, args: KafkaArgs) -> None:
        context, settings = args.context, args.context.settings
        brokers = Brokers(args.network.private_subnet_ids, args.firewall.kafka, args.key_arn)
        made = cluster(name, context, self, brokers)
        self.cluster_arn, self.cluster_name = made.arn, made.cluster_name
        scram = settings.kafkaAuth == "scram"
        self._clients(name, args, made.bootstrap_brokers_sasl_scram if scram else made.bootstrap_brokers_sasl_iam, made)
        self.fingerprint = pulumi.Output.from_input(fingerprint(settings))

    def _lent(self, name: str, args: KafkaArgs, lent: Lent) -> None:
        """Another stack's cluster: users and topics of our own, whose names begin with this stack's; no more."""
        self.cluster_arn = lent.value("kafka", "clusterArn")
        self.cluster_name = self.cluster_arn.apply(cluster_name)
        servers = lent.value("kafka", "bootstrapServers")
        self._clients(name, args, servers, None)
        self.fingerprint = servers.apply(lambda found: digest(found, self._settings.kafkaAuth))

    def _clients(
        self, name: str, args: KafkaArgs, listening: pulumi.Output[str], cluster: aws.msk.Cluster | None
    ) -> None:
        """Who signs in, then topics. `cluster`: None for one that stays when this stack goes."""
        context, after = args.context, [cluster] if cluster else []
        self.credentials, self.credentials_key_arn = {}, pulumi.Output.from_input("")
        if self._settings.kafkaAuth == "scram":
            known = users(name, context, self, self.cluster_arn, args.key_arn, cluster)
            after = [*after, *known.associations]
            self.credentials, self.credential_versions = known.secrets, known.versions
            self.credentials_key_arn = pulumi.Output.from_input(args.key_arn)
            # Whoever asks where the brokers are finds that they know him.
            listening = pulumi.Output.all(listening, *(one.cluster_arn for one in known.associations)).apply(
                lambda found: found[0]
            )
        self.topics = msk_topics(context, self, self.cluster_arn, after, cluster)
        self._listens(listening)

    def _existing(self, args: KafkaArgs) -> None:
        context, settings = args.context, args.context.settings
        self.cluster_arn = pulumi.Output.from_input(settings.kafkaClusterArn)
        self.cluster_name = pulumi.Output.from_input(cluster_name(settings.kafkaClusterArn))
        scram = settings.kafkaAuth == "scram"
        self.credentials = {user: pulumi.Output.from_input(settings.kafkaSecretArn) for user in USERS} if scram else {}
        self.credentials_key_arn = pulumi.Output.from_input(settings.kafkaSecretKeyArn if scram else "")
        if settings.kafkaClusterArn:
            # Through AWS's API, which asks for no way to the brokers and changes nothing else of the cluster.
            self.topics = msk_topics(context, self, settings.kafkaClusterArn, [], None)
        else:
            self.topics = []
            pulumi.log.warn(by_hand(settings), self)
        self._listens(pulumi.Output.from_input(settings.kafkaBootstrapServers))
        self.fingerprint = pulumi.Output.from_input(digest(settings.kafkaBootstrapServers, settings.kafkaAuth))

    def _listens(self, servers: pulumi.Output[str]) -> None:
        region = self._settings.awsRegion
        if self._settings.kafkaAuth == "scram":
            access = access_input(KafkaSecret, region=region, secret_arn=self.credentials["worker"])
        else:
            access = access_input(KafkaIam, region=region)
        # Sorted: AWS names the brokers in any order, and another text would change every table that reads from them.
        listed = servers.apply(lambda text: ",".join(sorted(text.split(","))))
        self.endpoint = KafkaEndpoint(listed, pulumi.Output.from_input("SASL_SSL"), access, self._prefix)


def cluster_name(arn: str) -> str:
    """The name in a cluster's ARN; '' without one."""
    return arn.split(":cluster/")[1].split("/")[0] if arn else ""


def fingerprint(settings: Settings) -> str:
    """Changes with the brokers' version, size and configuration."""
    size = f"{settings.kafkaInstanceType} {settings.kafkaBrokersPerZone * settings.broker_zones}"
    return digest(settings.kafkaVersion, size, settings.kafkaAuth, server_properties(settings))


def digest(*texts: str) -> str:
    """A short hash over texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]

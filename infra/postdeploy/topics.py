"""Kafka topics as Pulumi resources: created, grown and configured; a partition count is never lowered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pulumi
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,  # pyright: ignore[reportPrivateImportUsage]
    ConfigEntry,  # pyright: ignore[reportPrivateImportUsage]
    ConfigResource,  # pyright: ignore[reportPrivateImportUsage]
    NewPartitions,  # pyright: ignore[reportPrivateImportUsage]
    NewTopic,  # pyright: ignore[reportPrivateImportUsage]
    ResourceType,  # pyright: ignore[reportPrivateImportUsage]
)
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from infra.endpoints import KafkaEndpoint
from infra.errors import UserError

TIMEOUT = 30.0
LOOK_SECONDS = 5.0
"""How long a refresh waits for a broker, which may be down: that is then the broker's drift."""
FIELDS = ("bootstrap_servers", "topic", "partitions", "replication", "config")


def admin(bootstrap_servers: str) -> AdminClient:
    """An admin client that gives up after seconds rather than minutes and keeps quiet while it tries."""
    return AdminClient({"bootstrap.servers": bootstrap_servers, "socket.timeout.ms": 10_000, "log_level": 0})


def live_topic(
    client: AdminClient, topic: str, keys: Mapping[str, str], timeout: float = TIMEOUT
) -> dict[str, Any] | None:
    """Partitions and the values of the configuration `keys` as the cluster has them; None without the topic.

    Raises UserError when the cluster does not answer.
    """
    try:
        metadata = client.list_topics(topic, timeout=timeout).topics[topic]
        if metadata.error is not None or not metadata.partitions:
            return None
        resource = ConfigResource(ResourceType.TOPIC, topic)
        entries = client.describe_configs([resource], request_timeout=timeout)[resource].result()
    except KafkaException as error:
        raise UserError(f"Kafka did not answer about topic {topic}: {error.args[0].str()}") from None
    return {
        "partitions": len(metadata.partitions),
        "replication": len(next(iter(metadata.partitions.values())).replicas),
        "config": {key: entries[key].value for key in keys if key in entries},
    }


class TopicProvider(ResourceProvider):
    """Inputs: FIELDS. Outputs: the same as the cluster has them."""

    serialize_as_secret_always = False

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        failures = []
        old, new = _olds.get("partitions"), news.get("partitions")
        if isinstance(old, int) and isinstance(new, int) and new < old and _olds.get("topic") == news.get("topic"):
            failures.append(
                CheckFailure(
                    "partitions",
                    f"{news['topic']} has {old} partitions and {new} are set (kafkaPartitions): Kafka can't lower them "
                    "without losing the topic; set it back",
                )
            )
        return CheckResult(news, failures)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        return DiffResult(
            changes=any(olds.get(key) != news[key] for key in FIELDS),
            replaces=["topic"] if olds.get("topic") != news["topic"] else [],
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        client, topic = admin(props["bootstrap_servers"]), props["topic"]
        if live_topic(client, topic, {}) is None:
            new = NewTopic(topic, int(props["partitions"]), int(props["replication"]), config=dict(props["config"]))
            try:
                client.create_topics([new], operation_timeout=TIMEOUT, request_timeout=TIMEOUT)[topic].result()
            except KafkaException as error:
                raise UserError(f"Kafka refused topic {topic}: {error.args[0].str()}") from None
        self._reconcile(client, props)
        return CreateResult(topic, {key: props[key] for key in FIELDS})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        try:
            live = live_topic(admin(props["bootstrap_servers"]), id_, props["config"], LOOK_SECONDS)
        except UserError:
            # A broker that is down is the broker's drift, not the topic's.
            return ReadResult(id_, {key: props[key] for key in FIELDS})
        if live is None:
            return ReadResult("", {})
        return ReadResult(id_, {**{key: props[key] for key in FIELDS}, **live})

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        self._reconcile(admin(news["bootstrap_servers"]), news)
        return UpdateResult({key: news[key] for key in FIELDS})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        client = admin(props["bootstrap_servers"])
        try:
            if live_topic(client, props["topic"], {}) is not None:
                client.delete_topics([props["topic"]], request_timeout=TIMEOUT)[props["topic"]].result()
        except (UserError, KafkaException) as error:
            raise UserError(f"topic {props['topic']} could not be deleted: {error}") from None

    def _reconcile(self, client: AdminClient, props: dict[str, Any]) -> None:
        topic = props["topic"]
        deadline = time.monotonic() + TIMEOUT
        # Metadata follows a creation a moment later.
        while (live := live_topic(client, topic, props["config"])) is None:
            if time.monotonic() > deadline:
                raise UserError(f"topic {topic} is not there although Kafka said that it was created")
            time.sleep(0.1)
        if live["partitions"] < int(props["partitions"]):
            client.create_partitions([NewPartitions(topic, int(props["partitions"]))])[topic].result()
        changed = {key: value for key, value in props["config"].items() if live["config"].get(key) != value}
        if changed:
            entries = [
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in changed.items()
            ]
            resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
            client.incremental_alter_configs([resource])[resource].result()


class Topic(Resource, module="postdeploy", name="Topic"):
    """One topic."""

    topic: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        kafka: KafkaEndpoint,
        topic: Mapping[str, Any],
        replication: int,
        opts: pulumi.ResourceOptions | None = None,
    ):
        props = {
            "bootstrap_servers": kafka.bootstrap_servers,
            "topic": topic["name"],
            "partitions": topic["partitions"],
            "replication": replication,
            "config": topic["config"],
        }
        super().__init__(TopicProvider(), name, props, opts)

"""Where every partition of our topics begins and ends in Kafka, and how far ClickHouse has committed it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import EarliestSpec, LatestSpec, OffsetSpec

from infra.endpoints import NO_CREDENTIAL, KafkaAddress
from infra.errors import UserError

_QUIET = logging.getLogger("infra.worker.positions.librdkafka")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False

GROUPS = {"otel-spans": "clickhouse-otel-spans", "otel-events": "clickhouse-otel-events"}
"""Topic and the consumer group by which ClickHouse reads it."""


@dataclass(frozen=True)
class Position:
    """One partition of one topic."""

    topic: str
    partition: int
    begin: int
    """The oldest offset that Kafka still has."""
    end: int
    """The next offset that Kafka will give."""
    committed: int | None
    """The next offset that ClickHouse will read; None: nothing was read yet."""


def read_positions(
    kafka: KafkaAddress, credential: Mapping[str, str] = NO_CREDENTIAL, timeout: float = 10.0
) -> list[Position]:
    """Every partition's position. The committed offset is asked first: what is stored lies at or above it.

    Raises UserError when the broker does not answer or a topic is missing.
    """
    admin = AdminClient(
        kafka.client_properties(credential),
        # Without a logger of its own the library writes every failed connection to stderr.
        logger=_QUIET,
    )
    try:
        return [position for topic in GROUPS for position in _topic(admin, topic, timeout)]
    except KafkaException as error:
        raise UserError(
            f"Kafka at {kafka.bootstrap_servers} did not answer: {error.args[0].str()}; `telemetry status` shows its state"
        ) from None


def _topic(admin: AdminClient, topic: str, timeout: float) -> list[Position]:
    metadata = admin.list_topics(topic, timeout=timeout).topics[topic]
    if metadata.error is not None:
        raise UserError(f"topic {topic}: {metadata.error.str()}; `telemetry up` creates the topics")
    partitions = [TopicPartition(topic, number) for number in sorted(metadata.partitions)]
    asked = ConsumerGroupTopicPartitions(GROUPS[topic], partitions)
    groups = admin.list_consumer_group_offsets([asked], request_timeout=timeout)
    committed = {item.partition: item.offset for item in groups[GROUPS[topic]].result().topic_partitions or []}

    def offsets(spec: OffsetSpec) -> dict[int, int]:
        futures = admin.list_offsets({item: spec for item in partitions}, request_timeout=timeout)
        return {item.partition: future.result().offset for item, future in futures.items()}

    begin, end = offsets(EarliestSpec()), offsets(LatestSpec())
    return [
        Position(
            topic,
            item.partition,
            begin[item.partition],
            end[item.partition],
            # Kafka answers a negative number where the group has committed nothing.
            committed[item.partition] if committed.get(item.partition, -1) >= 0 else None,
        )
        for item in partitions
    ]

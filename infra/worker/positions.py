"""Where every partition of our topics begins and ends in Kafka, and how far ClickHouse has committed it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.endpoints import NO_CREDENTIAL, KafkaAddress
from infra.errors import UserError

_QUIET = logging.getLogger("infra.worker.positions.librdkafka")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False

GROUPS = {"otel-spans": "clickhouse-otel-spans", "otel-events": "clickhouse-otel-events"}
"""Topic and the consumer group by which ClickHouse reads it; a further shard's ends in its number."""


@dataclass(frozen=True)
class Position:
    """One partition of one topic."""

    topic: str
    """Without the prefix that it has on shared brokers, as the tables have it."""
    partition: int
    begin: int
    """The oldest offset that Kafka still has."""
    end: int
    """The next offset that Kafka will give."""
    committed: int | None
    """The next offset that ClickHouse will read; None: nothing was read yet."""


def group_of(topic: str, shard: int, prefix: str = "") -> str:
    """The consumer group by which a shard reads the topic, on brokers where our names begin with `prefix`."""
    return f"{prefix}{GROUPS[topic]}" if shard == 1 else f"{prefix}{GROUPS[topic]}-{shard}"


def read_positions(
    kafka: KafkaAddress, credential: Mapping[str, str] = NO_CREDENTIAL, timeout: float = 10.0, shard: int = 1
) -> list[Position]:
    """Every partition's position of one shard. The committed offset is asked first: what is stored lies at or above it.

    Raises UserError when the broker does not answer or a topic is missing.
    """
    try:
        return [position for topic in GROUPS for position in _topic(kafka, credential, topic, timeout, shard)]
    except KafkaException as error:
        raise UserError(
            f"Kafka at {kafka.bootstrap_servers} did not answer: {error.args[0].str()}; `telemetry status` shows its state"
        ) from None


def _topic(
    kafka: KafkaAddress, credential: Mapping[str, str], topic: str, timeout: float, shard: int
) -> list[Position]:
    # A consumer of ClickHouse's group that never joins it. The admin client's way to a group's offsets ended the whole
    # process with a segmentation fault while a broker was just coming back (librdkafka 2.16.0).
    group, name = group_of(topic, shard, kafka.prefix), kafka.topic(topic)
    consumer = Consumer(
        {**kafka.client_properties(credential), "group.id": group, "enable.auto.commit": False},
        # Without a logger of its own the library writes every failed connection to stderr.
        logger=_QUIET,
    )
    try:
        metadata = consumer.list_topics(name, timeout=timeout).topics[name]
        if metadata.error is not None:
            raise UserError(f"topic {name}: {metadata.error.str()}; `telemetry up` creates the topics")
        partitions = [TopicPartition(name, number) for number in sorted(metadata.partitions)]
        return [_position(consumer, topic, item, timeout) for item in consumer.committed(partitions, timeout=timeout)]
    finally:
        consumer.close()


def _position(consumer: Consumer, topic: str, committed: TopicPartition, timeout: float) -> Position:
    if committed.error is not None:
        raise KafkaException(committed.error)
    begin, end = consumer.get_watermark_offsets(TopicPartition(committed.topic, committed.partition), timeout=timeout)
    # Kafka answers a negative number where the group has committed nothing.
    return Position(topic, committed.partition, begin, end, committed.offset if committed.offset >= 0 else None)

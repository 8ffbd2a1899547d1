"""Kafka messages without content: ClickHouse's Kafka engine makes no row of them, so the ledger can't know them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.endpoints import NO_CREDENTIAL, KafkaAddress

READ_SECONDS = 10.0
Range = tuple[int, int]
"""First and last offset."""
BlankCounter = Callable[[str, int, Sequence[Range]], int]
"""Topic, partition and ranges of offsets to how many of these messages are blank."""


def blank_counter(kafka: KafkaAddress, credential: Mapping[str, str] = NO_CREDENTIAL) -> BlankCounter:
    """Counts by reading the messages themselves; what Kafka has deleted, or can't give now, is not counted."""

    def count(topic: str, partition: int, ranges: Sequence[Range]) -> int:
        consumer = Consumer(
            {
                **kafka.client_properties(credential),
                # Offsets are assigned by hand and never committed; the client wants a name all the same.
                "group.id": f"{kafka.prefix}agent-telemetry-audit",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )
        try:
            return sum(_blank(consumer, kafka.topic(topic), partition, first, last) for first, last in ranges)
        except KafkaException:
            return 0
        finally:
            consumer.close()

    return count


def _blank(consumer: Consumer, topic: str, partition: int, first: int, last: int) -> int:
    consumer.assign([TopicPartition(topic, partition, first)])
    blank = 0
    while True:
        message = consumer.poll(READ_SECONDS)
        if message is None or message.error() is not None:
            return blank
        offset = message.offset()
        if offset is None or offset > last:
            return blank
        blank += not (message.value() or b"").strip()
        if offset == last:
            return blank

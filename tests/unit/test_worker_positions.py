"""Kafka's offsets as the audit reads them, from librdkafka's mock broker."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from infra.endpoints import KafkaAddress
from infra.errors import UserError
from infra.worker.positions import GROUPS, group_of, read_positions


@pytest.mark.parametrize("prefix", ["", "pr-1."])
def test_positions_tell_begin_end_and_what_the_group_committed(prefix: str):
    producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    broker = next(iter(producer.list_topics(timeout=5).brokers.values()))
    address = f"{broker.host}:{broker.port}"
    for topic in GROUPS:
        for _ in range(5):
            producer.produce(f"{prefix}{topic}", b"message", partition=0)
    assert producer.flush(10) == 0
    group = {"bootstrap.servers": address, "group.id": group_of("otel-spans", 1, prefix), "log_level": 0}
    consumer = Consumer(group)
    consumer.commit(offsets=[TopicPartition(f"{prefix}otel-spans", 0, 3)], asynchronous=False)
    consumer.close()

    found = {(item.topic, item.partition): item for item in read_positions(KafkaAddress(address, prefix=prefix))}
    spans, events = found["otel-spans", 0], found["otel-events", 0]
    assert (spans.begin, spans.end, spans.committed) == (0, 5, 3)
    assert (events.begin, events.end, events.committed) == (0, 5, None)


def test_a_broker_that_is_away_is_an_error_that_names_it():
    with pytest.raises(UserError, match=r"127\.0\.0\.1:1 did not answer"):
        read_positions(KafkaAddress("127.0.0.1:1"), timeout=1)

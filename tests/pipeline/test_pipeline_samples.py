"""What the worker samples beside the pipeline: the real collector's counters and the real broker's offsets."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from infra.otlp import OtlpRefused
from tests.pipeline.live import Pipeline
from tests.workload import requests

TOTALS = """
SELECT sum(a) AS accepted, sum(r) AS refused, sum(s) AS sent
FROM (SELECT max(accepted) AS a, max(refused) AS r, max(sent) AS s FROM telemetry.collector_samples
      WHERE signal = 'traces' GROUP BY instance)
"""
SECONDS = 120
"""A sample comes every 2 seconds; the machine may be busy."""
NEWEST = """
SELECT topic, partition, oldest, next, committed FROM telemetry.kafka_samples
WHERE at = (SELECT max(at) FROM telemetry.kafka_samples) ORDER BY topic, partition
"""


def totals(pipeline: Pipeline) -> dict[str, Any]:
    return pipeline.rows(TOTALS)[0]


def messages() -> list[ExportTraceServiceRequest]:
    return [ExportTraceServiceRequest.FromString(body) for body in requests(2000)]


def test_what_was_accepted_is_counted_and_has_gone_to_kafka(proto: Pipeline) -> None:
    proto.wait_rows("SELECT 1 FROM telemetry.collector_samples WHERE signal = 'traces'")
    before = totals(proto)
    for message in messages():
        proto.send(message)
    proto.until(
        lambda: totals(proto)["accepted"] >= before["accepted"] + 2000, lambda: f"{before} {totals(proto)}", SECONDS
    )
    after = totals(proto)
    assert after["refused"] == before["refused"]
    # The worker's canary sends on: what is accepted more than that is its spans.
    assert after["sent"] - before["sent"] == pytest.approx(after["accepted"] - before["accepted"], abs=5)


def test_every_partition_s_end_and_what_clickhouse_has_read_of_it(proto: Pipeline) -> None:
    partitions = proto.stack.settings.kafkaPartitions
    proto.until(
        lambda: len(proto.rows(NEWEST)) == 2 * partitions, "a sample of every partition of both topics", SECONDS
    )
    end = proto.produce(*[proto.message(message) for message in messages()])
    wanted = {partition: offset + 1 for partition, offset in sorted(end)}

    def read() -> bool:
        found = {row["partition"]: row for row in proto.rows(NEWEST) if row["topic"] == "otel-spans"}
        return all(
            found[at]["next"] >= offset and found[at]["committed"] == found[at]["next"] for at, offset in wanted.items()
        )

    proto.until(read, lambda: f"{wanted} {proto.rows(NEWEST)}", SECONDS)


def test_what_kafka_does_not_take_is_counted_as_refused(proto: Pipeline) -> None:
    before = totals(proto)
    broker = proto.pid("kafka")
    os.kill(broker, signal.SIGSTOP)
    try:
        with pytest.raises(OtlpRefused):
            proto.send(messages()[0])
    finally:
        os.kill(broker, signal.SIGCONT)
    spans = sum(len(scope.spans) for resource in messages()[0].resource_spans for scope in resource.scope_spans)
    proto.until(
        lambda: totals(proto)["refused"] >= before["refused"] + spans, lambda: f"{before} {totals(proto)}", SECONDS
    )

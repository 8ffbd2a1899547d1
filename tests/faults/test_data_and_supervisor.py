"""Poison among good messages, data that is late, a supervisor that is gone, messages that Kafka deleted unread."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator

import psutil
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from infra.local.supervisor import Control, daemon_pid
from tests.faults.load import everything_once, load, spans_of_a_request, unexplained
from tests.pipeline.live import Pipeline, running
from tests.pipeline.otlp_messages import SECOND, traces

POISON = 60
WEEK = 7 * 86400 * SECOND


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    with running(workerRecomputeSeconds=1, workerAuditSeconds=3600, workerCanarySeconds=3600) as made:
        yield made


@pytest.mark.parametrize("topic", ["otel-spans", "otel-events"])
def test_random_bytes_among_good_messages_stop_nobody_and_each_is_accounted_for(
    pipeline: Pipeline, tenant: str, topic: str
) -> None:
    pick = random.Random(topic)
    poison = [pick.randbytes(pick.randrange(8, 400)) for _ in range(POISON)]
    with load(pipeline, tenant) as made:
        made.until_more(5)
        places = [pipeline.produce(raw, topic=topic)[0] for raw in poison]
        made.until_more(5)
    assert made.refused == []
    everything_once(pipeline, tenant, made.acknowledged, made.sent)
    where = f"topic = '{topic}' AND (partition, offset) IN {tuple(places)}"
    ledger = pipeline.rows(f"SELECT partition, offset, is_dead_letter FROM telemetry.ingest_ledger WHERE {where}")
    assert {(row["partition"], row["offset"]) for row in ledger} == set(places)
    letters = pipeline.rows(
        f"SELECT partition, offset, lower(hex(raw)) AS raw FROM telemetry.dead_letters FINAL WHERE {where}"
    )
    kept = {(row["partition"], row["offset"]): bytes.fromhex(row["raw"]) for row in letters}
    assert kept.keys() == {(row["partition"], row["offset"]) for row in ledger if row["is_dead_letter"]}
    assert kept.items() <= dict(zip(places, poison, strict=True)).items()
    # Some bytes happen to be a message without spans.
    assert len(kept) > POISON * 0.8


def test_spans_that_are_a_week_late_land_in_their_minute_and_are_counted_once(pipeline: Pipeline, tenant: str) -> None:
    late = spans_of_a_request()
    for item in late:
        item.start_time_unix_nano -= WEEK
        item.end_time_unix_nano -= WEEK
    for _ in range(2):
        pipeline.send(traces(tenant, *late), tenant)
    everything_once(pipeline, tenant, {item.span_id for item in late})
    minutes = "SELECT DISTINCT toUnixTimestamp(minute) AS at FROM telemetry.spans_minute WHERE tenant_id = {t:String}"
    wanted = {item.start_time_unix_nano // (60 * SECOND) * 60 for item in late}
    assert {row["at"] for row in pipeline.rows(minutes, t=tenant)} == wanted


def test_a_killed_supervisor_is_drift_that_up_heals_under_load_without_a_loss(pipeline: Pipeline, tenant: str) -> None:
    stack = pipeline.stack
    with load(pipeline, tenant) as made:
        made.until_more(5)
        pid = daemon_pid(stack.run)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
        # Nothing watches the parts any more, but they work.
        made.until_more(5)
        assert made.refused == []
        assert "to update" in stack.telemetry("preview", "--refresh").stdout
        stack.telemetry("up")
        made.until_more(5)
    assert {info["statename"] for info in Control(stack.run).processes().values()} == {"RUNNING"}
    everything_once(pipeline, tenant, made.acknowledged, made.sent)
    assert unexplained(pipeline) == []


def test_what_kafka_deleted_before_it_was_read_is_reported_as_a_loss(pipeline: Pipeline, tenant: str) -> None:
    # Last in this file: the loss stays.
    requests = [spans_of_a_request() for _ in range(10)]
    pipeline.client.command("DETACH TABLE telemetry.kafka_spans")
    places = [pipeline.produce(pipeline.message(traces(tenant, *request)))[0] for request in requests]
    lost = places[:-1]
    ends: dict[int, int] = {}
    for partition, offset in lost:
        ends[partition] = max(offset + 1, ends.get(partition, 0))
    kept = [request for request, (at, offset) in zip(requests, places, strict=True) if offset >= ends.get(at, 0)]
    # As retention does it: the oldest messages go, whether somebody read them or not.
    admin = AdminClient({"bootstrap.servers": pipeline.stack.kafka.bootstrap_servers})
    deleted = admin.delete_records([TopicPartition("otel-spans", partition, end) for partition, end in ends.items()])
    for future in deleted.values():
        future.result()
    before = pipeline.stack.telemetry("audit", check=False)
    assert before.returncode != 0
    assert "deleted by Kafka before they were read" in before.stdout
    pipeline.client.command("ATTACH TABLE telemetry.kafka_spans")
    everything_once(pipeline, tenant, {item.span_id for request in kept for item in request})
    after = pipeline.stack.telemetry("audit", check=False)
    assert after.returncode != 0
    missing = pipeline.audit()
    assert sum(row.difference for row in missing.rows if row.name.startswith("offsets")) == len(requests) - len(kept)

"""ClickHouse dies under load or before a commit, or has no room: Kafka is the buffer, doubles are hidden."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.load import BACK_SECONDS, everything_once, load, spans_of_a_request, stored, unexplained
from tests.faults.parts import frozen, kill, until_back
from tests.pipeline.live import Pipeline, new_tenant, running
from tests.pipeline.otlp_messages import traces

MESSAGES = 20
ATTEMPTS = 5


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    """Its blocks are stored five seconds after their first message: on a busy machine too there is time to break something in
    between."""
    with running(
        kafkaEncoding="otlp_proto",
        kafkaFlushMs=5000,
        workerRecomputeSeconds=1,
        workerAuditSeconds=3600,
        workerCanarySeconds=3600,
    ) as made:
        yield made


def test_a_killed_clickhouse_is_noticed_by_no_agent(pipeline: Pipeline, tenant: str) -> None:
    with load(pipeline, tenant) as made:
        made.until_more(10)
        before = kill(pipeline, "clickhouse")
        made.until_more(10)
        until_back(pipeline, "clickhouse", before)
        pipeline.until(lambda: stored(pipeline, tenant), "ClickHouse answers", BACK_SECONDS)
        made.until_more(10)
    assert made.refused == []
    everything_once(pipeline, tenant, made.acknowledged, made.sent)


def messages_read(pipeline: Pipeline) -> int:
    """What ClickHouse has taken from Kafka since it started, stored or not."""
    return pipeline.rows("SELECT sum(num_messages_read) AS n FROM system.kafka_consumers")[0]["n"]


def killed_before_the_commit(pipeline: Pipeline, tenant: str, messages: list[bytes]) -> bool:
    """Whether ClickHouse was killed when it had stored rows of the messages but could not have committed them."""
    read = messages_read(pipeline)
    pipeline.produce(*messages)
    pipeline.until(lambda: messages_read(pipeline) >= read + len(messages), "ClickHouse reads the messages")
    with frozen(pipeline, "kafka"):
        if stored(pipeline, tenant):
            return False
        # What is stored now was not when the broker froze, so no commit of it has been taken; one that waits in the
        # broker's socket dies with the broker.
        pipeline.until(lambda: stored(pipeline, tenant), "the block is stored")
        before = {part: kill(pipeline, part) for part in ("clickhouse", "kafka")}
    for part, pid in before.items():
        until_back(pipeline, part, pid)
    return True


def test_a_block_that_was_stored_and_not_committed_is_read_again_and_counted_once(pipeline: Pipeline) -> None:
    for _ in range(ATTEMPTS):
        tenant, requests = new_tenant(), [spans_of_a_request() for _ in range(MESSAGES)]
        if killed_before_the_commit(pipeline, tenant, [pipeline.message(traces(tenant, *r)) for r in requests]):
            break
    else:
        raise AssertionError(f"in {ATTEMPTS} attempts each block was stored before the broker was frozen")
    everything_once(pipeline, tenant, {item.span_id for request in requests for item in request})
    twice = (
        "SELECT count() AS n FROM (SELECT partition, offset FROM telemetry.span_keys WHERE tenant_id = {t:String} "
        "GROUP BY partition, offset HAVING count() > uniqExact(span_key))"
    )
    assert pipeline.rows(twice, t=tenant)[0]["n"] > 0, "nothing came twice: the test proved nothing"
    assert unexplained(pipeline) == []


@contextmanager
def without_room(pipeline: Pipeline) -> Iterator[None]:
    """Every disk of ClickHouse keeps free more than it has, for the length of the block: nothing can be stored."""
    file = pipeline.stack.run / "clickhouse" / "config.xml"
    configured = file.read_text()
    keep = "<keep_free_space_bytes>1000000000000000</keep_free_space_bytes>"
    full = configured.replace("<disks>", f"<disks><default>{keep}</default>")
    for disk in ("slow", "s3"):
        full = full.replace(f"</{disk}>", f"{keep}</{disk}>", 1)
    assert full.count(keep) == 3

    def restart(text: str) -> None:
        file.write_text(text)
        until_back(pipeline, "clickhouse", kill(pipeline, "clickhouse"))
        pipeline.until(lambda: pipeline.rows("SELECT 1"), "ClickHouse answers", BACK_SECONDS)

    try:
        restart(full)
        yield
    finally:
        restart(configured)


def test_a_clickhouse_without_room_commits_nothing_and_goes_on_when_there_is_room(
    pipeline: Pipeline, tenant: str
) -> None:
    with without_room(pipeline), load(pipeline, tenant) as made:
        pipeline.until(
            lambda: any("space" in text for row in pipeline.consumer_errors() for text in row["texts"]),
            lambda: f"a consumer that complains about space; found {pipeline.consumer_errors()}",
            BACK_SECONDS,
        )
        made.until_more(5)
        assert pipeline.lag() > 0
        assert pipeline.rows("SELECT count() AS n FROM telemetry.spans WHERE tenant_id = {t:String}", t=tenant) == [
            {"n": 0}
        ]
    assert made.refused == []
    everything_once(pipeline, tenant, made.acknowledged, made.sent)
    assert unexplained(pipeline) == []

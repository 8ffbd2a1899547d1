"""Collector and broker killed, stopped, frozen under load: what was acknowledged is stored once; the rest was told in time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.faults.load import SDK_SECONDS, everything_once, load, unexplained
from tests.faults.parts import frozen, kill, until_back
from tests.pipeline.live import Pipeline, running

NO_ANSWER = 0


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    with running(
        kafkaEncoding="otlp_json",
        collectorAuth="jwt",
        workerRecomputeSeconds=1,
        workerAuditSeconds=3600,
        workerCanarySeconds=3600,
    ) as made:
        yield made


def test_a_killed_collector_loses_nothing_that_it_acknowledged(pipeline: Pipeline, tenant: str) -> None:
    with load(pipeline, tenant) as made:
        made.until_more(5)
        until_back(pipeline, "collector", kill(pipeline, "collector"))
        made.until_more(5)
    assert set(made.refused) <= {NO_ANSWER, 503}, made.refused
    everything_once(pipeline, tenant, made.acknowledged, made.sent)


def test_a_collector_that_is_told_to_end_answers_what_it_has_taken_first(pipeline: Pipeline, tenant: str) -> None:
    with load(pipeline, tenant) as made:
        made.until_more(5)
        pid = pipeline.pid("collector")
        os.kill(pid, signal.SIGTERM)
        began = time.monotonic()
        until_back(pipeline, "collector", pid)
        assert time.monotonic() - began < 20, "supervisor would have killed it after its stop_seconds"
        made.until_more(5)
    assert set(made.refused) <= {NO_ANSWER, 503}, made.refused
    everything_once(pipeline, tenant, made.acknowledged, made.sent)


def test_behind_a_frozen_collector_senders_time_out_and_send_again(pipeline: Pipeline, tenant: str) -> None:
    with load(pipeline, tenant, timeout=2) as made:
        made.until_more(5)
        with frozen(pipeline, "collector"):
            made.until_refused(2)
        made.until_more(5)
    assert NO_ANSWER in made.refused
    everything_once(pipeline, tenant, made.acknowledged, made.sent)


def test_a_killed_broker_is_a_retryable_answer_in_time(pipeline: Pipeline, tenant: str) -> None:
    with load(pipeline, tenant) as made:
        made.until_more(5)
        until_back(pipeline, "kafka", kill(pipeline, "kafka"))
        made.until_more(5)
    assert set(made.refused) <= {503}, made.refused
    assert made.slowest < SDK_SECONDS, "an SDK has its answer before it gives up"
    everything_once(pipeline, tenant, made.acknowledged, made.sent)


def test_a_frozen_broker_is_503_within_the_sdks_timeout(pipeline: Pipeline, tenant: str) -> None:
    with load(pipeline, tenant, timeout=3 * SDK_SECONDS) as made:
        made.until_more(5)
        with frozen(pipeline, "kafka"):
            made.until_refused(2)
        made.until_more(5)
    assert set(made.refused) == {503}, made.refused
    assert made.slowest < SDK_SECONDS, f"{made.slowest:.1f} s"
    everything_once(pipeline, tenant, made.acknowledged, made.sent)


def test_after_all_that_the_audit_finds_no_difference(pipeline: Pipeline) -> None:
    assert unexplained(pipeline) == []

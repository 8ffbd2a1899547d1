"""What `telemetry status` says of the pipeline: the dashboards' queries on crafted rows, and a table of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client

from infra.cli import pipeline_now
from infra.cli.pipeline_now import Watched, lines, look
from infra.clickhouse import open_client
from infra.endpoints import ClickHouseAddress, Reached
from infra.errors import UserError
from tests.pipeline.alerts_world import World, start_world

EVENT = "at, event_id, episode, type, level, budget, measure, scope, tenant_id, subject, used, usage_limit, notify"
AT = datetime.now(UTC).replace(hour=12, minute=30, second=7, microsecond=0) - timedelta(days=3)
"""Some days ago: what the worker samples is kept for thirty, and a delay is looked for within one."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from start_world(tmp_path_factory.mktemp("now"))


@contextmanager
def opened(world: World) -> Iterator[Client]:
    address = ClickHouseAddress("127.0.0.1", world.front.port)
    client = open_client(address, Reached(address.host, address.port), 15)
    yield client
    client.close()


def moment(seconds_ago: float) -> str:
    return f"toDateTime64({(AT - timedelta(seconds=seconds_ago)).timestamp()}, 3, 'UTC')"


def test_an_empty_pipeline_says_what_is_missing(world: World) -> None:
    with opened(world) as client:
        now = look(client, ((), 16), AT)
    assert now.topics == [] and now.read_seconds is now.delay_seconds is now.canary_seconds is None
    said = dict((what, text) for what, text, _ in lines(now))
    assert said["Kafka to row"] == "nothing came" and said["canary"] == "no canary came through"
    assert said["alerts"] == "nothing fires; 16 rules" and said["budgets"] == "none is crossed"
    assert "GiB free" in said["disk default"]


def test_it_says_what_waits_what_comes_and_how_late(world: World) -> None:
    run = world.front.sql
    # 60 messages of 50 spans within the last whole minute, which ends 7 s ago; as many are too old, and one too young.
    for first, ago in ((0, 67), (100, 167)):
        for number in range(60):
            at, kafka = moment(ago - number), moment(ago - number + 2)
            run(
                f"INSERT INTO telemetry.ingest_ledger VALUES ('otel-spans', 0, {first + number}, {kafka}, {at}, 50, false)"
            )
    run(f"INSERT INTO telemetry.ingest_ledger VALUES ('otel-spans', 0, 999, {moment(4)}, {moment(2)}, 5000, false)")
    for partition, (following, read) in enumerate(((1000, 900), (500, 500))):
        for ago, more in ((20, 0), (5, 50)):
            run(
                f"INSERT INTO telemetry.kafka_samples VALUES ({moment(ago)}, 'otel-spans', {partition}, 'g', 0, "
                f"{following + more}, {read + more * partition})"
            )
    run(f"INSERT INTO telemetry.worker_results VALUES ({moment(30)}, 'canary', true, 1.5, '{{}}')")
    world.spans("acme", AT - timedelta(seconds=60), 1)
    run(
        f"INSERT INTO telemetry.budget_events ({EVENT}) VALUES ({moment(60)}, 'e', 'one', 'crossed', 1, 'day', 'spend_usd', "
        "'workflow', 'acme', 'report', 15, 10, true)"
    )
    over = "'{0}', 'two', '{0}', 1, 'week', 'spend_usd', 'workflow', 'acme', 'report', 15, 10, true"
    for ago, kind in ((70, "crossed"), (65, "resolved")):
        run(f"INSERT INTO telemetry.budget_events ({EVENT}) VALUES ({moment(ago)}, {over.format(kind)})")
    with opened(world) as client:
        now = look(client, ((), 16), AT)
    (topic,) = now.topics
    assert (topic.name, topic.waiting, topic.rows_a_second) == ("otel-spans", 150, pytest.approx(50))
    assert now.read_seconds == pytest.approx(2, abs=0.01) and now.canary_seconds == 1.5
    (budget,) = now.budgets
    assert (budget["budget"], budget["share"], budget["webhook"]) == ("day", 1.5, "not told yet")
    shown = [f"{what}: {text}" for what, text, _ in lines(now)]
    assert "otel-spans: 50.0 rows/s, 150 messages waiting in Kafka" in shown
    assert "canary: 1.5 s" in shown and ": day: acme report, 150% of the limit, not told yet" in shown


def test_the_delay_is_an_agent_s_and_not_the_canary_s(world: World) -> None:
    at = datetime.now(UTC) - timedelta(seconds=40)
    world.spans("canary", at, 1)
    with opened(world) as client:
        assert look(client, ((), 16)).delay_seconds is None
        world.spans("acme", at, 1)
        assert pipeline_now.ask(client, "health_end_to_end", at, datetime.now(UTC) + timedelta(seconds=5), 86_400)


def test_a_connection_that_is_lost_is_opened_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.cli.reach.clickhouse", lambda _name, wait_seconds: opened(world))
    stack = Watched("local")
    assert stack.now().rules > 10
    world.front.sql("RENAME TABLE telemetry.ingest_ledger TO telemetry.away")
    try:
        with pytest.raises(UserError, match=r"ClickHouse refuses: .*telemetry.ingest_ledger"):
            stack.now()
    finally:
        world.front.sql("RENAME TABLE telemetry.away TO telemetry.ingest_ledger")
    assert stack.now().at
    stack.close()

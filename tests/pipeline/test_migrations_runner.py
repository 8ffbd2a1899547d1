"""The migration runner against a running ClickHouse: recorded, continued, locked, refused."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from infra.clickhouse import connect
from infra.endpoints import ClickHouseAddress, Direct
from infra.errors import UserError
from infra.postdeploy import migration_runner
from infra.postdeploy.migration_lock import PREFIX, locked
from infra.postdeploy.migration_runner import apply, apply_one, plan
from infra.postdeploy.migrations import Migration
from infra.postdeploy.missing import missing
from infra.postdeploy.statements import checksum
from tests.pipeline.clickhouse_front import Front

SPAWN = multiprocessing.get_context("spawn")
SLOW = "SELECT sleepEachRow(0.5) FROM numbers(120) SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    front = Front(tmp_path_factory.mktemp("front"))
    front.start()
    yield front.port
    front.stop()


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    with connect(ClickHouseAddress("127.0.0.1", port), Direct()) as opened:
        opened.command("DROP DATABASE IF EXISTS telemetry")
        yield opened


def table(name: str) -> str:
    return f"CREATE TABLE IF NOT EXISTS telemetry.{name} (x UInt8) ENGINE = MergeTree ORDER BY x"


def migration(number: int, *statements: str) -> Migration:
    sql = ";\n".join(statements)
    return Migration(number, f"{number:04}_m", "metadata", checksum(sql), sql)


def tables(client: Client) -> set[str]:
    return {row[0] for row in client.query("SELECT name FROM system.tables WHERE database = 'telemetry'").result_rows}


def test_what_is_pending_is_planned_run_recorded_and_then_no_longer_pending(client: Client):
    both = [migration(1, table("a"), table("b")), migration(2, table("c"))]
    assert [(todo.migration.name, todo.kind, len(todo.remaining)) for todo in plan(client, both)] == [
        ("0001_m", "metadata", 2),
        ("0002_m", "metadata", 1),
    ]
    assert tables(client) == set()
    apply(client, both)
    assert tables(client) == {"a", "b", "c", "schema_migrations"}
    assert plan(client, both) == [] == apply(client, both)
    rows = client.query("SELECT number, statement, finished FROM telemetry.schema_migrations ORDER BY ALL").result_rows
    assert [tuple(row) for row in rows] == [(1, 1, False), (1, 2, True), (2, 1, True)]


def test_an_invalid_statement_is_named_and_the_next_run_continues_there(client: Client):
    with pytest.raises(UserError) as error:
        apply(client, [migration(1, table("a"), "ALTER TABLE telemetry.nothing ADD COLUMN y UInt8", table("b"))])
    text = str(error.value)
    for word in ("0001_m.sql", "statement 2 of 3", "ALTER TABLE telemetry.nothing", "Could not find table"):
        assert word in text, text
    corrected = migration(1, table("a"), table("a2"), table("b"))
    assert [todo.remaining for todo in plan(client, [corrected])] == [[table("a2"), table("b")]]
    apply(client, [corrected])
    assert {"a", "a2", "b"} <= tables(client)
    assert not any(name.startswith(PREFIX) for name in tables(client))


def test_an_edited_past_is_refused(client: Client):
    apply(client, [migration(1, table("a"))])
    edited = migration(1, table("b"))
    with pytest.raises(UserError, match=f"0001_m .*{checksum(table('a'))}.*{edited.checksum}"):
        apply(client, [edited])
    assert "b" not in tables(client)


def test_a_migration_does_not_go_into_a_clickhouse_that_lost_its_predecessors(client: Client):
    with pytest.raises(UserError, match="no record of migration 0001"):
        apply_one(client, migration(2, table("b")))
    apply_one(client, migration(1, table("a")))
    assert apply_one(client, migration(2, table("b"))) and apply_one(client, migration(2, table("b"))) is None


def hold(port: int, holding: Event, release: Event) -> None:
    with connect(ClickHouseAddress("127.0.0.1", port), Direct()) as opened, locked(opened, "telemetry"):
        holding.set()
        release.wait(60)


def run_slowly(port: int, holding: Event) -> None:
    with connect(ClickHouseAddress("127.0.0.1", port), Direct()) as opened:
        apply(
            opened,
            [migration(1, table("a"), SLOW, table("b"))],
            report=lambda line: holding.set() if "2 of 3" in line else None,
        )


def race(port: int, start: Event, results: multiprocessing.Queue) -> None:
    with connect(ClickHouseAddress("127.0.0.1", port), Direct()) as opened:
        start.wait(60)
        try:
            with locked(opened, "telemetry"):
                begun = time.time()
                time.sleep(2.5)
                results.put((begun, time.time()))
        except UserError:
            results.put(None)


def test_a_second_process_is_told_who_is_at_work_and_how_to_clear_it(client: Client, port: int):
    client.command("CREATE DATABASE telemetry")
    holding, release = SPAWN.Event(), SPAWN.Event()
    other = SPAWN.Process(target=hold, args=(port, holding, release))
    other.start()
    assert holding.wait(60)
    with pytest.raises(UserError) as error:
        apply(client, [migration(1, table("a"))])
    (lock,) = [name for name in tables(client) if name.startswith(PREFIX)]
    for word in (f"process {other.pid}", "since 20", f"DROP TABLE telemetry.{lock}"):
        assert word in str(error.value)
    assert "a" not in tables(client)
    release.set()
    other.join(60)
    assert other.exitcode == 0
    apply(client, [migration(1, table("a"))])
    assert "a" in tables(client)


def test_of_processes_that_start_together_never_two_are_inside(client: Client, port: int):
    client.command("CREATE DATABASE telemetry")
    start, results = SPAWN.Event(), SPAWN.Queue()
    runners = [SPAWN.Process(target=race, args=(port, start, results)) for _ in range(3)]
    for runner in runners:
        runner.start()
    start.set()
    inside = sorted(span for span in (results.get(timeout=60) for _ in runners) if span)
    for runner in runners:
        runner.join(60)
    assert inside
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(inside)), inside
    assert not any(name.startswith(PREFIX) for name in tables(client))


def test_a_runner_that_was_killed_leaves_nothing_to_repair(client: Client, port: int):
    holding = SPAWN.Event()
    other = SPAWN.Process(target=run_slowly, args=(port, holding))
    other.start()
    assert holding.wait(60) and other.pid
    os.kill(other.pid, signal.SIGKILL)
    other.join(60)
    # Its statement still runs in the server, and its lock is still there: neither holds up the next run.
    assert any(name.startswith(PREFIX) for name in tables(client))
    continued = migration(1, table("a"), "SELECT 1", table("b"))
    with pytest.raises(UserError, match="edited"):
        apply(client, [migration(1, table("other"), "SELECT 1", table("b"))])
    ran = apply(client, [continued])
    assert ran[0].remaining == ["SELECT 1", table("b")] and plan(client, [continued]) == []
    assert {"a", "b"} <= tables(client) and not any(name.startswith(PREFIX) for name in tables(client))


def test_a_runner_that_was_taken_for_dead_stops_before_its_next_statement(client: Client, tmp_path: Path):
    def steal(line: str) -> None:
        if "1 of 2" in line:
            (lock,) = [name for name in tables(client) if name.startswith(PREFIX)]
            client.command(f"DROP TABLE telemetry.{lock}")

    with pytest.raises(UserError, match="taken over"):
        apply(client, [migration(1, table("a"), table("b"))], report=steal)
    assert "a" in tables(client) and "b" not in tables(client)
    assert migration_runner.read_record(client)[1].statements.keys() == {1}


def test_what_applied_migrations_made_and_is_gone_is_named(client: Client):
    moves = ("RENAME TABLE telemetry.b TO telemetry.c", "DROP TABLE telemetry.d")
    both = [migration(1, table("a"), table("b"), table("d"), *moves), migration(2, table("e"))]
    assert missing(client, both) == [], "nothing is applied"
    apply(client, both[:1])
    assert missing(client, both) == [], "the second is pending, not missing"
    client.command("DROP TABLE telemetry.c")
    assert missing(client, both) == ["telemetry.c (0001_m)"]

"""Shards under the real engine on a stand-in account: two, the same again, one more, and never fewer."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.engine.aws_engine import Engine
from tests.engine.aws_world import World, aws_world

pytestmark = pytest.mark.timeout(900)
COUNTS = "pulumi-python:dynamic/postdeploy:ShardCounts"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with aws_world(tmp_path_factory.mktemp("shards")) as made:
        yield made


@pytest.fixture(scope="module")
def dev(world: World) -> Engine:
    made = world.engine("dev")
    made.configure(clickhouseShards=2)
    return made


def view(world: World, shard: int) -> str:
    """Of which the last condition says which spans the shard keeps."""
    return world.rows(
        "SELECT as_select FROM system.tables WHERE database = 'telemetry' AND name = 'spans_decoded_mv'", shard
    )


def since(dev: Engine) -> list[list[float]]:
    (counts,) = [item for item in dev.resources if item["type"] == COUNTS]
    return counts["outputs"]["since"]


def test_an_up_gives_each_shard_a_whole_pipeline_of_its_own(world: World, dev: Engine) -> None:
    ran = dev.up()
    print(f"up {ran.seconds:.1f} s", *ran.slowest(), sep="\n")
    assert ran.ok, ran.output
    assert ran.changed.keys() == {"create"}
    assert [apply.node for apply in world.nodes.applied] == ["clickhouse-1", "clickhouse-s2-1"]
    tables = "SELECT count() FROM system.tables WHERE database = 'telemetry'"
    assert world.rows(tables, 1) == world.rows(tables, 2) != "0"
    assert "% 2) = 0" in view(world, 1) and "% 2) = 1" in view(world, 2)
    groups = "SELECT extract(create_table_query, 'kafka_group_name = .([a-z0-9-]+)') FROM system.tables WHERE name = 'kafka_spans'"
    assert [world.rows(groups, shard) for shard in (1, 2)] == ["clickhouse-otel-spans", "clickhouse-otel-spans-2"]
    for shard in (1, 2):
        assert world.rows("SELECT count() > 0 FROM telemetry.model_prices", shard) == "1"
        assert world.rows("SELECT count() FROM telemetry.schema_migrations WHERE finished", shard) != "0"
        assert world.rows("SELECT count() > 20 FROM system.tables WHERE database = 'telemetry_all'", shard) == "1"
    assert since(dev) == [[0, 2]]


def test_dashboards_ask_all_shards(world: World) -> None:
    (grafana,) = world.workspaces.grafana.values()
    texts = str([dict(item) if isinstance(item, dict) else item for item in grafana.dashboards.values()])
    assert "telemetry_all.spans_minute" in texts and not re.search(r"\btelemetry\.[a-z]", texts)


def test_a_second_up_changes_nothing(dev: Engine) -> None:
    ran = dev.up()
    assert ran.ok and ran.changed == {}, ran.output


def test_one_more_shard_counts_from_a_time_after_all_that_was_read(world: World, dev: Engine) -> None:
    for shard in (1, 2):
        world.rows(
            "INSERT INTO telemetry.ingest_ledger (topic, partition, offset, message_ts, ingest_ts, spans, is_dead_letter) "
            "VALUES ('otel-spans', 0, 7, now64(3) + 600, now64(3), 3, false)",
            shard,
        )
    read = float(world.rows("SELECT toUnixTimestamp64Milli(max(message_ts)) FROM telemetry.ingest_ledger"))
    world.cloud.forget_operations()
    dev.configure(clickhouseShards=3)
    planned = dev.preview()
    assert planned.ok and world.cloud.operations("create") == [], planned.output
    before = len(world.nodes.applied)
    ran = dev.up()
    assert ran.ok, ran.output
    assert {"shard-counts", "ingest", "ingest-shard-2", "reading", "reading-shard-2"} <= set(ran.changed["update"])
    assert "delete" not in ran.changed and ran.changed["replace"] == ["worker-task-definition"], (
        "it is told the new shard"
    )
    assert [apply.node for apply in world.nodes.applied[before:]] == [
        "clickhouse-1",
        "clickhouse-s2-1",
        "clickhouse-s3-1",
    ]
    (first, second), (began, third) = since(dev)
    assert (first, second, third) == (0, 2, 3) and began > read
    for shard in (1, 2, 3):
        assert f"multiIf(message_ts < fromUnixTimestamp64Milli({int(began)}), 2, 3)" in view(world, shard)
    again = dev.up()
    assert again.ok and again.changed == {}, again.output


def test_fewer_shards_are_refused_before_anything_is_touched(world: World, dev: Engine) -> None:
    world.cloud.forget_operations()
    dev.configure(clickhouseShards=2)
    ran = dev.preview()
    assert not ran.ok and "clickhouseShards: 3 is deployed and 2 is set" in ran.output
    assert world.cloud.operations("delete") == []


def test_a_destroy_leaves_nothing(world: World, dev: Engine) -> None:
    dev.configure(clickhouseShards=3)
    ran = dev.destroy()
    assert ran.ok, ran.output

"""What several shards change for those who ask and for the number that spans are divided by; with one shard nothing."""

from __future__ import annotations

from typing import Any, cast

import pytest
from clickhouse_connect.driver.client import Client

from infra.dashboards.catalogue import build_all
from infra.endpoints import KafkaAddress
from infra.errors import UserError
from infra.paths import SQL
from infra.postdeploy import shard_counts
from infra.postdeploy.reading import EQUAL, MERGED, SPECIAL, reading_sql
from infra.postdeploy.shard_counts import READERS, grown
from infra.postdeploy.statements import created, split
from infra.schema import template_values
from infra.shards import OverAll, everywhere_over_all, named, over_all
from infra.templates import render
from infra.worker.loop import _recorded
from tests.unit.aws.aws_settings import LARGE, settings


def values(shards: int, shard: int = 1, since: list[list[int]] | None = None, **more: Any) -> dict[str, Any]:
    return template_values(settings(clickhouseShards=shards, **more), KafkaAddress("b:9096"), "", shard, since or [])


@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
def test_with_one_shard_no_statement_knows_of_any(encoding: str) -> None:
    for path in sorted((SQL / "ingest").glob("*.sql")):
        text = render(path, values(1, kafkaEncoding=encoding))
        assert text == render(path, values(1, since=[[0, 1]], kafkaEncoding=encoding))
        assert "cityHash64(tupleElement" not in text and "-1'" not in text


def test_each_shard_has_its_own_group_and_its_own_share() -> None:
    text = render(SQL / "ingest" / "20_kafka_spans.sql", values(3, 2, [[0, 1], [1000, 2], [2000, 3]]))
    assert "kafka_group_name = 'clickhouse-otel-spans-2'" in text
    wanted = (
        "multiIf(message_ts < fromUnixTimestamp64Milli(1000), 1, message_ts < fromUnixTimestamp64Milli(2000), 2, 3) = 1"
    )
    assert wanted in text


def test_every_table_and_view_of_the_migrations_can_be_asked_over_all_shards() -> None:
    found = values(2)
    own = set()
    for path in sorted((SQL / "migrations").glob("*.sql")):
        made = [created(statement) for statement in split(render(path, found))]
        own |= {each.name for each in made if each and each.database == "telemetry" and each.kind in ("table", "view")}
    asked = {made.name for statement in split(reading_sql(found)) if (made := created(statement)) and made.name}
    assert own <= asked and {*MERGED, *EQUAL, *SPECIAL} <= own
    assert asked - own == {f"{name}_of_shards" for name in SPECIAL} | {"telemetry_all"} - own & asked


def test_tables_that_the_configuration_fills_are_asked_on_one_shard() -> None:
    """Loaded on each: over all they would show everything as often as there are shards."""
    text = "".join(render(path, values(2)) for path in sorted((SQL / "migrations").glob("*.sql")))
    filled = {
        made.name
        for statement in split(text)
        if (made := created(statement)) and "loaded_at DateTime64" in statement and made.kind == "table"
    }
    assert filled == set(EQUAL)


def test_with_replicas_each_shard_s_names_lie_apart_in_keeper() -> None:
    found = template_values(settings(LARGE, clickhouseShards=2), KafkaAddress("b:9096"), "", 2)
    assert "Replicated('/clickhouse/databases/telemetry_all-2', '{shard}', '{replica}')" in reading_sql(found)
    tenant = render(SQL / "migrations" / "0009_tenant_views.sql", found)
    assert "Replicated('/clickhouse/databases/telemetry_tenant-2'" in tenant


def test_dashboards_ask_all_shards_and_nothing_else_of_them_changes() -> None:
    models = build_all("agent-telemetry-test")
    changed = everywhere_over_all(models)
    assert "FROM telemetry." not in str(changed) and "telemetry_all.spans_minute" in str(changed)
    assert str(changed).replace("telemetry_all.", "telemetry.") == str(models).replace("telemetry_all.", "telemetry.")


class Recorder:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def query(self, query: str, **_: Any) -> None:
        self.asked.append(query)

    def command(self, cmd: str, **_: Any) -> None:
        self.asked.append(cmd)


def test_what_asks_all_shards_writes_to_its_own() -> None:
    recorder = Recorder()
    client = OverAll(cast(Client, recorder))
    client.query("-- used\nSELECT 1 FROM telemetry.runs_parts")
    client.command("INSERT INTO telemetry.budget_base (a) SELECT a FROM telemetry.cost_minute")
    client.command("SYSTEM SYNC REPLICA telemetry.spans_raw LIGHTWEIGHT")
    assert recorder.asked == [
        "-- used\nSELECT 1 FROM telemetry_all.runs_parts",
        "INSERT INTO telemetry.budget_base (a) SELECT a FROM telemetry_all.cost_minute",
        "SYSTEM SYNC REPLICA telemetry.spans_raw LIGHTWEIGHT",
    ]
    assert over_all("database = 'telemetry' AND x") == "database = 'telemetry' AND x"


def test_names_of_the_first_shard_are_those_without_shards() -> None:
    assert [named("ingest", shard) for shard in (1, 2)] == ["ingest", "ingest-shard-2"]
    assert [_recorded(name) for name in ("recompute", "recompute-2", "tidy-12")] == ["recompute", "recompute", "tidy"]


class Stack:
    """Shards that have read something or not, and what is done to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *read: int) -> None:
        """`read`: of each shard a time after all that it has read; 0: it has read nothing."""
        self.read, self.done = list(read), []
        self.clients = cast(list[Client], list(range(len(read))))
        monkeypatch.setattr(shard_counts, "consumed", self._consumed)
        monkeypatch.setattr(shard_counts, "drop", lambda client, names: self.done.append((client, tuple(names))))

    def _consumed(self, client: Any) -> tuple[bool, int]:
        # A block that was being read is stored by the time its table is gone.
        return bool(self.read[client]), self.read[client] + 5 * len(self.done)


def test_a_new_stack_is_divided_from_its_first_message_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(monkeypatch, 0, 0, 0)
    assert grown(stack.clients, [], 3) == [[0, 3]] and stack.done == []


def test_a_stack_that_grows_stops_everywhere_before_the_time_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(monkeypatch, 1000, 3000, 0)
    assert grown(stack.clients, [[0, 2]], 3) == [[0, 2], [3015, 3]]
    assert stack.done == [(0, READERS), (1, READERS), (2, READERS)]


def test_one_shard_so_far_has_no_list_and_grows_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert grown(Stack(monkeypatch, 1000, 0).clients, [], 2) == [[0, 1], [1010, 2]]


def test_what_broke_off_after_the_stop_is_no_new_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(monkeypatch, 1000, 0)
    grown(stack.clients, [], 2)
    assert grown(stack.clients, [], 2)[0] == [0, 1]


def test_nothing_is_touched_when_the_number_stays_or_the_past_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(monkeypatch, 1000, 2000)
    assert grown(stack.clients, [[0, 1], [500, 2]], 2) == [[0, 1], [500, 2]]
    with pytest.raises(UserError, match=r"shard 2 has read messages.*restore the state"):
        grown(stack.clients, [], 2)
    with pytest.raises(UserError, match="3 are deployed and 2 are set"):
        grown(stack.clients, [[0, 3]], 2)
    assert stack.done == []

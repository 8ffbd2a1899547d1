"""`telemetry retention` on two shards: each has its own rows and its own mutations, and both are asked first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from clickhouse_connect.driver.client import Client

from tests.pipeline.clickhouse_front import Front
from tests.pipeline.retention_world import Retention, days_ago, kept, mutations
from tests.pipeline.worker_world import apply_schema, client_of, deliver, make_spans, rows


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Front, Client]]]:
    with ExitStack() as opened:
        made: list[tuple[Front, Client]] = []
        for number in (1, 2):
            front = Front(tmp_path_factory.mktemp(f"shard-{number}"))
            front.start()
            opened.callback(front.stop)
            client = opened.enter_context(client_of(front.port))
            apply_schema(client)
            made.append((front, client))
        yield made


def test_every_shard_is_rewritten_and_counted(
    shards: list[tuple[Front, Client]], monkeypatch: pytest.MonkeyPatch
) -> None:
    fronts, clients = [front for front, _ in shards], [client for _, client in shards]
    retention = Retention(monkeypatch, *fronts)
    for seed, client in enumerate(clients, 1):
        for days in (1, 20):
            deliver(client, make_spans(100 * seed, 5, days_ago(days), ["acme"], seed=10 * seed + days))
    retention.up({"acme": 10}, clients[0])
    assert "telemetry up" in retention.refused("apply", "acme", "--yes"), "the second shard has not been told"
    assert not mutations(clients[0])
    retention.up({"acme": 10}, *clients)
    told = json.loads(retention("apply", "acme", "--dry-run", "--json").stdout)["work"]
    counted = {item["shard"]: (item["rows"], item["past"]) for item in told if item["table"] == "spans_raw"}
    assert counted == {1: (200, 100), 2: (400, 200)}
    assert "shard 2: spans_raw" in retention("apply", "acme", "--dry-run").stdout
    assert retention("apply", "acme", "--yes").exit_code == 0
    assert [kept(client) for client in clients] == [{("acme", 10): 100}, {("acme", 10): 200}]
    (shown,) = json.loads(retention("show", "acme", "--json").stdout)["tenants"]
    assert [(item["stamped_days"], item["spans"]) for item in shown["stored"]] == [(10, 300)]


def test_a_tenant_of_one_shard_alone_is_known(
    shards: list[tuple[Front, Client]], monkeypatch: pytest.MonkeyPatch
) -> None:
    retention = Retention(monkeypatch, *(front for front, _ in shards))
    deliver(shards[0][1], make_spans(50, 5, days_ago(1), ["solo"], seed=99), stamp=7)
    assert retention("apply", "solo", "--yes").exit_code == 0
    assert kept(shards[0][1])["solo", 0] == 50
    assert rows(shards[1][1], "SELECT count() FROM telemetry.spans_raw WHERE tenant_id = 'solo'") == [(0,)]

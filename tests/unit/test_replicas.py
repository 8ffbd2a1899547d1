"""What a client asks of a node where several hold all data, and that it asks one node nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest
from clickhouse_connect.driver.client import Client

from infra import replicas


class Answer:
    def __init__(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self.result_rows = list(rows)


class Node:
    """Answers what is asked of system tables, and remembers what it was told to do."""

    def __init__(self, tables: Mapping[str, int], engine: str = "Replicated") -> None:
        self.tables, self.engine = tables, engine
        self.told: list[tuple[str, dict[str, Any]]] = []

    def query(self, sql: str) -> Answer:
        if "system.databases" in sql:
            return Answer([(self.engine,)] if self.engine else [])
        assert "FROM system.replicas WHERE database = 'telemetry'" in sql
        asked = [(name, active) for name, active in self.tables.items() if f"'{name}'" in sql or "IN (" not in sql]
        return Answer(asked)

    def command(self, sql: str, settings: dict[str, Any] | None = None) -> None:
        self.told.append((sql, settings or {}))


def client(node: Node) -> Client:
    return cast(Client, node)


SEVERAL = {"spans_raw": 3, "span_keys": 2}
LIMIT = {"receive_timeout": replicas.CATCH_UP_SECONDS}


def test_a_node_is_told_to_catch_up_with_the_tables_that_are_asked_for() -> None:
    node = Node(SEVERAL)
    replicas.catch_up(client(node), ["span_keys"])
    assert node.told == [("SYSTEM SYNC REPLICA telemetry.span_keys LIGHTWEIGHT", LIMIT)]


def test_or_with_all() -> None:
    node = Node(SEVERAL)
    replicas.catch_up(client(node))
    assert [sql.split()[3] for sql, _ in node.told] == ["telemetry.span_keys", "telemetry.spans_raw"]


def test_one_node_is_told_nothing() -> None:
    node = Node({}, "Atomic")
    replicas.catch_up(client(node))
    replicas.catch_up(client(node), ["spans_raw"])
    assert not replicas.catch_up_schema(client(node))
    assert replicas.stored_everywhere(client(node), "spans_raw") == {}
    assert node.told == []


def test_a_schema_is_caught_up_with_before_it_is_looked_at() -> None:
    node = Node(SEVERAL)
    assert replicas.catch_up_schema(client(node))
    assert node.told == [("SYSTEM SYNC DATABASE REPLICA telemetry", LIMIT)]


@pytest.mark.parametrize(("engine", "expected"), [("Replicated", True), ("Atomic", False), ("", False)])
def test_the_database_says_whether_there_are_several(engine: str, expected: bool) -> None:
    assert replicas.is_replicated(client(Node({}, engine))) is expected


@pytest.mark.parametrize(("up", "quorum"), [(3, 3), (2, 2), (1, None)])
def test_an_insert_waits_for_the_nodes_that_are_up_and_for_no_other(up: int, quorum: int | None) -> None:
    found = replicas.stored_everywhere(client(Node({"runs_data": up})), "runs_data")
    assert found.get("insert_quorum") == quorum
    assert ("insert_quorum_timeout" in found) == bool(quorum)

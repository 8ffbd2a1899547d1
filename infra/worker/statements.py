"""Runs the worker's SQL files: rendering, bounded settings, rows as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from clickhouse_connect.driver.client import Client

from infra.paths import SQL
from infra.templates import render
from infra.worker.keys import Key, bounds, sql_tenants, sql_tuples

ROLLUPS = {
    "spans_minute": "spans_minute_data",
    "cost_minute": "cost_minute_data",
    "tools_minute": "tools_minute_data",
    "runs": "runs_data",
}
"""sql/rollups/<name>.sql and the table that it fills."""

BOUNDED = {
    # A batch's keys stand several times in one statement: more than the default of 256 KiB.
    "max_query_size": 16 * 1024 * 1024,
    # Beyond this, aggregation and sorting go to disk instead of failing at the user's memory limit.
    "max_bytes_before_external_group_by": 300_000_000,
    "max_bytes_before_external_sort": 300_000_000,
    # Versions of one span share their day, so parts of different days need not be merged with each other.
    "do_not_merge_across_partitions_select_final": 1,
    # Our conditions on raw are on columns of the sort key: the same for every version of a row.
    "optimize_move_to_prewhere_if_final": 1,
    # An equal block is no repetition here: every generation is new.
    "insert_deduplicate": 0,
    # With replicas, deleted rows are gone here at the end, elsewhere as soon as a node gets to it: one that is down must
    # not hold up the others.
    "lightweight_deletes_sync": 1,
}
"""Settings of every statement that reads raw."""


def text(name: str, **values: Any) -> str:
    """sql/<name>.sql, rendered, without comments at the end that a format clause could fall into."""
    return render(SQL / f"{name}.sql", values).strip()


def rows(client: Client, name: str, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of sql/<name>.sql."""
    return [tuple(row) for row in client.query(text(name, **values), settings=BOUNDED).result_rows]


def run(client: Client, name: str, settings: Mapping[str, Any] = MappingProxyType({}), **values: Any) -> None:
    """Runs sql/<name>.sql, which returns nothing. `settings`: beside the ones above."""
    client.command(text(name, **values), settings={**BOUNDED, **settings})


def server_ms(client: Client) -> int:
    """The server's clock, Unix milliseconds."""
    return int(rows(client, "worker/now")[0][0])


def raw_where(keys: Sequence[Key]) -> str:
    """The condition that picks the keys' rows from spans_raw."""
    first, end = bounds(keys)
    tenants, tuples = sql_tenants(keys), sql_tuples(keys)
    return text("worker/raw_where", tenants=tenants, first=first, end=end, keys=tuples)


def recomputed(rollup: str, where: str, generation: int) -> str:
    """The rollup's SELECT over deduplicated raw: the very text that its materialized view was made from."""
    # As a subquery, because a table with FINAL takes no alias; columns that are not needed are not read.
    source = text("worker/deduplicated", where=where)
    return text(f"rollups/{rollup}", database="telemetry", source=source, where="", generation=generation)


def keys_of(table: Iterable[tuple[Any, ...]]) -> list[Key]:
    """Keys from rows that begin with the tenant and the minute."""
    return [Key(str(row[0]), int(row[1])) for row in table]

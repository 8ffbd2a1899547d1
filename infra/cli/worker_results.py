"""What the worker's steps found last, as `telemetry status` shows it on every platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.cli.console import table_of
from infra.paths import SQL
from infra.shards import for_readers

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from rich.table import Table

MEANING = {
    "audit": "differences between Kafka, rows and rollups",
    "budgets": "seconds that a look at all budgets took",
    "canary": "seconds from OTLP's answer to the visible row",
    "notify": "seconds that an event has waited for its receiver",
    "recompute": "tenant minutes repaired after a re-delivery",
    "samples": "messages that Kafka has and ClickHouse has not read",
    "tidy": "superseded generations deleted",
}


def worker_results(client: Client) -> list[dict[str, Any]]:
    """What each of the worker's steps found last."""
    rows = client.query(for_readers(client, (SQL / "queries" / "worker_status.sql").read_text())).result_rows
    keys = ("step", "ok", "value", "seconds_ago")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def worker_table(results: list[dict[str, Any]]) -> Table:
    """The same as a table."""
    table = table_of(
        "worker", "ok", "last value", "what it is", "ago", fold=("what it is",), right=("last value", "ago")
    )
    for row in results:
        step, ok = row["step"], row["ok"]
        style = None if ok else "red"
        # A step that failed has no figure.
        value, ago = f"{row['value']:g}" if ok else "", f"{row['seconds_ago']} s"
        table.add_row(step, "yes" if ok else "no", value, MEANING.get(step, ""), ago, style=style)
    return table

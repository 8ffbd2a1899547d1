"""What the worker's steps found last, as `telemetry status` shows it on every platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.cli.console import table_of

if TYPE_CHECKING:
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


def worker_table(results: list[dict[str, Any]]) -> Table:
    """infra.worker.results.latest as a table."""
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

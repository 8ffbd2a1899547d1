"""What the worker's steps found last, as `telemetry status` prints it on every platform."""

from __future__ import annotations

from rich.table import Table

from infra.cli.console import console
from infra.errors import UserError
from infra.paths import SQL
from infra.shards import for_readers

MEANING = {
    "audit": "differences between Kafka, rows and rollups",
    "budgets": "seconds that a look at all budgets took",
    "canary": "seconds from OTLP's answer to the visible row",
    "notify": "seconds that an event has waited for its receiver",
    "recompute": "tenant minutes repaired after a re-delivery",
    "samples": "messages that Kafka has and ClickHouse has not read",
    "tidy": "superseded generations deleted",
}


def print_worker(name: str) -> None:
    """What each of the worker's steps found last."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from infra.cli.reach import clickhouse

    try:
        with clickhouse(name, wait_seconds=1) as client:
            rows = client.query(for_readers(client, (SQL / "queries" / "worker_status.sql").read_text())).result_rows
    except (UserError, ClickHouseError) as error:
        console.print(f"the worker's results can't be read: {error}", style="yellow", markup=False)
        return
    table = Table("worker", "ok", "last value", "what it is", "ago")
    for step, ok, value, ago in rows:
        table.add_row(
            step, "yes" if ok else "no", f"{value:g}", MEANING.get(step, ""), f"{ago} s", style=None if ok else "red"
        )
    console.print(table)

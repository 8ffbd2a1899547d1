"""Deletes generations of rollups that no reader sees any more."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client

from infra.templates import sql_string
from infra.worker import statements
from infra.worker.keys import Key, bounds
from infra.worker.statements import ROLLUPS, keys_of

AT_ONCE = 5_000
AGE_SECONDS = 600
"""A superseded generation is kept this long: no query that still reads it runs longer."""
SINCE_HOURS = 48
"""Only keys that were recomputed within this time are looked at: this runs every few minutes."""


def tidy(client: Client, age_seconds: int = AGE_SECONDS) -> int:
    """Deletes superseded generations, a bounded number per table. Returns how many (tenant, minute, generation)."""
    deleted = 0
    for table in ROLLUPS.values():
        found = statements.rows(
            client,
            "worker/superseded",
            table=table,
            since_hours=SINCE_HOURS,
            age_seconds=age_seconds,
            limit=AT_ONCE,
        )
        if not found:
            continue
        keys: list[Key] = keys_of(found)
        first, end = bounds(keys)
        exact = ", ".join(f"({sql_string(row[0])}, {int(row[1])}, {int(row[2])})" for row in found)
        statements.run(client, "worker/delete_superseded", table=table, first=first, end=end, rows=exact)
        deleted += len(found)
    return deleted

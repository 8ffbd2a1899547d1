"""How many spans ClickHouse has, and waiting until it has them."""

from __future__ import annotations

import time
from pathlib import Path

from clickhouse_connect.driver.client import Client

HERE = Path(__file__).parent
POLL_SECONDS = 0.1


class NotStored(Exception):
    """The spans did not arrive in time."""


def sql(name: str) -> str:
    """The text of one of this folder's queries."""
    return (HERE / f"{name}.sql").read_text()


def stored(client: Client, raw_only: bool = False) -> int:
    """Spans of the benchmarks that all tables (or raw alone) have."""
    return int(client.query(sql("stored_raw" if raw_only else "stored")).result_rows[0][0])


def wait_until_stored(client: Client, wanted: int, seconds: float, raw_only: bool = False) -> float:
    """Returns time.monotonic() of the moment at which `wanted` spans were there. Raises NotStored."""
    deadline = time.monotonic() + seconds
    # Counting raw alone costs next to nothing; the other tables are looked at once raw is complete.
    while True:
        found = stored(client, raw_only=True)
        if found >= wanted and (raw_only or (found := stored(client)) >= wanted):
            return time.monotonic()
        if time.monotonic() > deadline:
            raise NotStored(f"{found} of {wanted} spans were stored after {seconds:.0f} s")
        time.sleep(POLL_SECONDS)

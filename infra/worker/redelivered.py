"""Finds the minutes whose rollups may hold something twice, or lack what came after their last repair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from infra.replicas import catch_up
from infra.worker import statements
from infra.worker.keys import DAY, Key

COMMIT_MS = 15_000
"""A row's ingest time is taken when its block is read; it can be seen up to this much later."""
LOOK_BACK_MS = 30_000
"""How far before its watermark a pass looks, so that a slow insert is not missed."""
STEP_MS = 600_000
"""Longer stretches (after the worker was down) are looked at in steps of this, in bounded memory."""
REMEMBERED_MS = 6 * DAY * 1000
"""span_keys keeps seven days: what arrives for an older minute can't be compared with what came before."""


@dataclass(frozen=True)
class Touched:
    """A key that got a row lately, as sql/worker/touched.sql finds it. Times are Unix ms."""

    key: Key
    rows: int
    spans: int
    last: int
    computed_at: int
    """When the generation that readers see was computed; 0: it is the views' own."""


def needs_repair(item: Touched, now_ms: int) -> bool:
    """Whether the figures of this minute may be wrong now."""
    if item.computed_at:
        # The views write generation 0, which nobody reads any more: new rows show up by another repair. A row that
        # was on its way then may have missed it; wait for such rows once instead of repeating the repair meanwhile.
        on_its_way = item.last >= item.computed_at - COMMIT_MS and now_ms - item.computed_at >= COMMIT_MS
        return item.last >= item.computed_at or on_its_way
    return item.rows > item.spans or item.last - item.key.minute * 1000 > REMEMBERED_MS


def find(client: Client, since_ms: int, until_ms: int) -> Iterator[tuple[set[Key], int]]:
    """Keys in need of a repair among those that got rows in [since - look-back, until), step by step: the keys, and
    the time up to which all was looked at."""
    # Another node's rows come later than their ingest time says; what it had stored by now must not be missed.
    catch_up(client, ["span_keys", "ingest_ledger", "rollup_generations"])
    start = since_ms - LOOK_BACK_MS
    while start < until_ms:
        end = min(start + STEP_MS, until_ms)
        now_ms = statements.server_ms(client)
        window = {"since": start, "until": end}
        touched = {
            item.key: item
            for item in (
                Touched(Key(str(row[0]), int(row[1])), *(int(value) for value in row[2:]))
                for row in statements.rows(client, "worker/touched", **window)
            )
        }
        found = {item.key for item in touched.values() if needs_repair(item, now_ms)}
        again = []
        if statements.rows(client, "worker/any_message_twice", **window)[0][0]:
            again = statements.keys_of(statements.rows(client, "worker/messages_twice", **window))
        for key in again:
            seen = touched.get(key)
            # A message that came twice is settled by one repair after its second arrival.
            if seen is None or not seen.computed_at or needs_repair(seen, now_ms):
                found.add(key)
        yield found, end
        start = end

"""Rebuilds rollups, runs and the trace index of a window from deduplicated raw, under live load.

Each batch of minutes is repaired (infra.worker.repair), so readers see the old figures until they see the new ones.
After each batch the way so far is recorded in telemetry.backfills: the same command, run again after a stop of any
kind, goes on behind the last recorded batch.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client

from infra.errors import UserError
from infra.replicas import catch_up
from infra.worker import statements
from infra.worker.keys import Key, batches
from infra.worker.repair import (
    RepairResult,
    all_columns,
    arrivals,
    insert_columns,
    raw_retention,
    repair_batch,
    sizes,
)
from infra.worker.statements import raw_where, recomputed

HOUR = 3600
QUIET_MS = 5_000
"""A minute that got a row within this is left for the end: the views are filling it right now."""


@dataclass(frozen=True)
class Backfill:
    """How far a backfill has come. Times are Unix seconds; a `minute` is one tenant's minute."""

    id: str
    start: int
    end: int
    open_ended: bool
    tenant: str
    """Empty: all."""
    continued: bool
    hours_done: int = 0
    hours_total: int = 0
    minutes: int = 0
    spans: int = 0
    """Raw rows read, repeated ones included."""
    refused: int = 0
    """Minutes left as they are: their raw is, or may be, deleted already."""
    live: tuple[Key, ...] = ()
    """Minutes left to the views, because rows kept arriving for them."""
    finished: bool = False


@dataclass
class _Way:
    """Where a run stands."""

    state: Backfill
    cursor: tuple[int, str] = (0, "")
    postponed: set[Key] = field(default_factory=set)


def backfill(
    client: Client,
    start: datetime,
    end: datetime | None,
    tenant: str | None = None,
    progress: Callable[[Backfill], None] = lambda _: None,
    patience: float = 60.0,
    restart: bool = False,
) -> Backfill:
    """Rebuilds [start, end), whole minutes; without an end until now. Continues a stopped run of the same window.

    `patience`: seconds to wait at the end for minutes that are still receiving rows. `restart`: from the beginning.
    """
    way = _begin(client, start, end, tenant or "", restart)
    columns, trace_columns = all_columns(client), insert_columns(client, "trace_index")
    progress(way.state)
    for hour in range(way.state.start - way.state.start % HOUR, way.state.end, HOUR):
        first, until = max(hour, way.state.start), min(hour + HOUR, way.state.end)
        if (until, "") > way.cursor:
            for batch, rows in _planned(client, way, first, until):
                quiet, loud = _by_quiet(client, batch)
                way.postponed |= set(loud)
                result = _rebuild(client, quiet, columns, trace_columns)
                last = batch[-1]
                _advance(client, way, result, rows, (last.minute, last.tenant_id), loud)
                progress(way.state)
        way.state = replace(way.state, hours_done=way.state.hours_done + 1)
        progress(way.state)
    _do_postponed(client, way, columns, trace_columns, patience)
    way.state = replace(way.state, finished=True, live=tuple(sorted(way.postponed)))
    _record(client, way, "finished")
    progress(way.state)
    return way.state


def _begin(client: Client, start: datetime, end: datetime | None, tenant: str, restart: bool) -> _Way:
    now = statements.server_ms(client) // 1000
    first = _seconds(start) // 60 * 60
    last = -(-_seconds(end) // 60) * 60 if end else now // 60 * 60
    last = min(last, now // 60 * 60 + 60)
    if first >= last:
        raise UserError(f"backfill: --from {start:%Y-%m-%d %H:%M} must lie before --to and before now (UTC)")
    catch_up(client, ["backfills"])
    terms = {"start": first, "end": last, "tenant": tenant, "open_ended": end is None}
    found = [] if restart else statements.rows(client, "worker/backfill_open", **terms)
    if found:
        id_, last, minute, at_tenant, minutes, spans, refused, postponed = found[0]
        state = Backfill(id_, first, last, end is None, tenant, True, 0, _hours(first, last), minutes, spans, refused)
        keys = {Key(str(name), int(at)) for name, at in postponed}
        return _Way(state, (minute, at_tenant), keys)
    state = Backfill(str(uuid.uuid4()), first, last, end is None, tenant, False, hours_total=_hours(first, last))
    way = _Way(state)
    _record(client, way, "started")
    return way


def _seconds(when: datetime) -> int:
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def _hours(first: int, last: int) -> int:
    return -(-last // HOUR) - first // HOUR


def _planned(client: Client, way: _Way, first: int, end: int) -> Iterable[tuple[list[Key], int]]:
    """The batches of a stretch that lie behind the cursor, with the raw rows that each has."""
    catch_up(client, ["spans_raw"])
    where = statements.text("worker/window_where", first=first, end=end, tenant=way.state.tenant)
    sized = {
        Key(str(tenant), int(minute)): int(rows)
        for tenant, minute, rows in statements.rows(client, "worker/raw_sizes", where=where)
        if (int(minute), str(tenant)) > way.cursor
    }
    for batch in batches(sized.items()):
        yield batch, sum(sized[key] for key in batch)


def _by_quiet(client: Client, keys: Sequence[Key]) -> tuple[list[Key], list[Key]]:
    """Keys that got no row lately, and the others."""
    since = statements.server_ms(client) - QUIET_MS
    seen = arrivals(client, keys)
    loud = [key for key in keys if key in seen and seen[key][1] >= since]
    return sorted(set(keys) - set(loud)), loud


def _rebuild(client: Client, keys: Sequence[Key], columns: dict[str, str], trace_columns: str) -> RepairResult:
    retention, now_ms = raw_retention(client), statements.server_ms(client)
    result = RepairResult(expired=[key for key in keys if retention.may_be_deleted(key, now_ms)])
    keys = sorted(set(keys) - set(result.expired))
    if keys:
        result.add(repair_batch(client, keys, columns, quiet_only=True))
        select = recomputed("trace_index", raw_where(keys), 0)
        statements.run(client, "worker/trace_index", columns=trace_columns, select=select)
    return result


def _advance(
    client: Client,
    way: _Way,
    result: RepairResult,
    rows: int,
    cursor: tuple[int, str],
    loud: Sequence[Key],
) -> None:
    way.postponed |= set(result.busy)
    way.cursor = cursor
    way.state = replace(
        way.state,
        minutes=way.state.minutes + len(result.repaired),
        spans=way.state.spans + rows,
        refused=way.state.refused + len(result.refused),
    )
    counts = (len(result.repaired), rows, len(result.refused))
    _record(client, way, "batch", counts, [*loud, *result.busy])


def _do_postponed(client: Client, way: _Way, columns: dict[str, str], trace_columns: str, patience: float) -> None:
    """Minutes that were receiving rows, one by one as they fall quiet; what does not, stays to the views."""
    deadline = time.monotonic() + patience
    while way.postponed:
        quiet, _ = _by_quiet(client, sorted(way.postponed))
        for key, rows in sizes(client, quiet):
            result = _rebuild(client, [key], columns, trace_columns)
            if not result.busy:
                way.postponed.discard(key)
                _advance(client, way, result, rows, way.cursor, [])
        if time.monotonic() >= deadline:
            return
        if way.postponed:
            time.sleep(0.2)


def _record(
    client: Client,
    way: _Way,
    state: str,
    counts: tuple[int, int, int] = (0, 0, 0),
    postponed: Sequence[Key] = (),
) -> None:
    statements.run(
        client,
        "worker/backfill_record",
        id=way.state.id,
        start=way.state.start,
        end=way.state.end,
        open_ended=way.state.open_ended,
        tenant=way.state.tenant,
        state=state,
        cursor_minute=way.cursor[0],
        cursor_tenant=way.cursor[1],
        minutes=counts[0],
        spans=counts[1],
        refused=counts[2],
        postponed=statements.sql_tuples(postponed),
    )

"""Recomputes minutes from deduplicated raw: every rollup of a key in a new generation, then one insert that shows it.

Until that insert readers see the old figures, after it the new ones. Repeating it, or two workers at once, does no
harm: every attempt writes a generation of its own, each is right, and the latest is shown.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from clickhouse_connect.driver.client import Client

from infra.replicas import catch_up, stored_everywhere
from infra.worker import statements
from infra.worker.keys import DAY, KEYS_PER_STATEMENT, Key, batches, bounds, sql_tenants, sql_tuples
from infra.worker.statements import ROLLUPS, keys_of, raw_where, recomputed


@dataclass
class RepairResult:
    """What became of the keys."""

    repaired: list[Key] = field(default_factory=list)
    expired: list[Key] = field(default_factory=list)
    """Refused: raw of that age may be deleted already, the rollups are all that is left."""
    thinner: list[Key] = field(default_factory=list)
    """Refused: raw holds fewer traces than the rollups show."""
    busy: list[Key] = field(default_factory=list)
    """Not shown because rows kept arriving (only when asked for quiet keys)."""

    def add(self, other: RepairResult) -> None:
        """Takes over the other's keys."""
        for name in ("repaired", "expired", "thinner", "busy"):
            getattr(self, name).extend(getattr(other, name))

    @property
    def refused(self) -> list[Key]:
        """Keys that can't be repaired from raw."""
        return self.expired + self.thinner


@dataclass(frozen=True)
class RawRetention:
    """How long raw rows live: what is older is not recomputed."""

    default_days: int
    """0: for ever."""
    tenant_days: dict[str, int]
    floors: dict[str, int] = field(default_factory=dict)
    """Unix seconds, where a tenant ('': all) once had another term: what is older may be gone by that."""

    def may_be_deleted(self, key: Key, now_ms: int) -> bool:
        """Whether a raw row of this minute may have reached its end. A tenant's shorter and longer term may both be
        stamped on its rows, so the shorter of its own and the default decides."""
        own = self.tenant_days.get(key.tenant_id, self.tenant_days.get("*", 0))
        terms = [days for days in (self.default_days, own) if days]
        by_now = bool(terms) and key.minute <= now_ms // 1000 - min(terms) * DAY
        return by_now or key.minute <= max(self.floors.get(name, -1) for name in ("", key.tenant_id))


def raw_retention(client: Client) -> RawRetention:
    """The raw table's retention as ClickHouse applies it."""
    days = {str(tenant): int(days) for tenant, days in statements.rows(client, "worker/raw_days")}
    floors = {str(tenant): int(floor) for tenant, floor in statements.rows(client, "worker/raw_floors")}
    return RawRetention(days.pop("", 0), days, floors)


def repair(client: Client, keys: Iterable[Key], quiet_only: bool = False) -> RepairResult:
    """Recomputes all rollups of these keys and shows them. `quiet_only`: not those that get rows meanwhile."""
    result = RepairResult()
    retention, now_ms = raw_retention(client), statements.server_ms(client)
    wanted: list[Key] = []
    for key in sorted(set(keys)):
        (result.expired if retention.may_be_deleted(key, now_ms) else wanted).append(key)
    columns = all_columns(client) if wanted else {}
    for batch in batches(sizes(client, wanted)):
        result.add(repair_batch(client, batch, columns, quiet_only))
    return result


def sizes(client: Client, keys: Sequence[Key]) -> list[tuple[Key, int]]:
    """Every key with the number of its raw rows; repeated rows count."""
    found: dict[Key, int] = {}
    by_minute = sorted(keys, key=lambda key: (key.minute, key.tenant_id))
    for part in batches((key, 0) for key in by_minute):
        for tenant, minute, rows in statements.rows(client, "worker/raw_sizes", where=raw_where(part)):
            found[Key(str(tenant), int(minute))] = int(rows)
    return [(key, found.get(key, 0)) for key in by_minute]


def repair_batch(
    client: Client, keys: Sequence[Key], columns: dict[str, str], quiet_only: bool = False
) -> RepairResult:
    """Recomputes and shows keys that fit one statement. `columns`: of each rollup's SELECT."""
    assert len(keys) <= KEYS_PER_STATEMENT
    first, end = bounds(keys)
    chosen = {"first": first, "end": end, "tenants": sql_tenants(keys)}
    before = arrivals(client, keys) if quiet_only else {}
    # Taken before raw is read: what arrives from now on may be missing from the new generation.
    computed_at = statements.server_ms(client)
    catch_up(client, ["spans_raw", "spans_minute_data", "rollup_generations"])
    # The random part keeps two workers that start in one millisecond from adding to one generation.
    generation = (computed_at << 20) | secrets.randbits(20)
    where = raw_where(keys)
    for rollup, table in ROLLUPS.items():
        select = recomputed(rollup, where, generation)
        # On every node before the flip, or readers of another one would find nothing for a moment.
        settings = stored_everywhere(client, table)
        statements.run(client, "worker/recompute", settings, table=table, columns=columns[rollup], select=select)
    thinner = statements.rows(client, "worker/thinner", generation=generation, keys=sql_tuples(keys), **chosen)
    refused = set(keys_of(thinner))
    after = arrivals(client, keys) if quiet_only else {}
    busy = {key for key in keys if before.get(key) != after.get(key)} - refused
    good = [key for key in keys if key not in refused and key not in busy]
    if good:
        statements.run(client, "worker/flip", generation=generation, computed_at=computed_at, keys=sql_tuples(good))
    return RepairResult(good, [], sorted(refused), sorted(busy))


def arrivals(client: Client, keys: Sequence[Key]) -> dict[Key, tuple[int, int]]:
    """For each key that had arrivals in span_keys' days: how many, and when the last one was (Unix ms)."""
    catch_up(client, ["span_keys"])
    first, end = bounds(keys)
    table = statements.rows(client, "worker/arrivals", first=first, end=end, keys=sql_tuples(keys))
    return {Key(str(tenant), int(minute)): (int(rows), int(last)) for tenant, minute, rows, last in table}


def insert_columns(client: Client, rollup: str) -> str:
    """The columns of the SELECT in sql/rollups/<rollup>.sql, as an INSERT names them."""
    select = recomputed(rollup, "", 0)
    return ", ".join(f"`{row[0]}`" for row in statements.rows(client, "worker/columns", select=select))


def all_columns(client: Client) -> dict[str, str]:
    """The columns of every rollup's SELECT."""
    return {rollup: insert_columns(client, rollup) for rollup in ROLLUPS}

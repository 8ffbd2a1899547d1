"""What `telemetry retention show` says: stored rows of all shards by tenant and stamp."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.cli.console import table_of
from infra.tenants import EVERYBODY

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from rich.table import Table

    from infra.tenant_retention.stored import Stored


def spelled(days: int) -> str:
    """A number of days as a setting says it."""
    return f"{days} day{'' if days == 1 else 's'}" if days else "as long as the stack's"


@dataclass
class Shown:
    """All that is shown."""

    in_file: Mapping[str, int]
    """The stack file's tenantRetentionDays."""
    asked: str
    """The tenant asked for; '': all."""
    stack_days: int = 0
    live: dict[str, int] = field(default_factory=dict)
    """What ClickHouse stamps new rows with."""
    rows: list[Stored] = field(default_factory=list)

    def add(self, stack_days: int, live: Mapping[str, int], rows: list[Stored]) -> None:
        """One more shard."""
        self.stack_days = stack_days
        self.live |= {tenant: days for tenant, days in live.items() if tenant != EVERYBODY}
        self.rows += rows

    @property
    def tenants(self) -> set[str]:
        """Those with a row or a setting."""
        return {*self.in_file, *self.live, *(row.tenant for row in self.rows)}

    def knows(self, tenant: str) -> bool:
        return tenant in self.tenants

    def of(self, tenant: str, stamped: int | None = None) -> list[Stored]:
        """The tenant's rows (with one stamp)."""
        return [row for row in self.rows if row.tenant == tenant and stamped in (None, row.stamped)]

    def listed(self) -> Iterator[tuple[str, int | None]]:
        """Each tenant with each of its stamps; None: it has no row."""
        for tenant in sorted({self.asked} if self.asked else self.tenants):
            stamps = sorted({row.stamped for row in self.of(tenant)})
            if stamps or self.live.get(tenant) or self.in_file.get(tenant):
                yield from ((tenant, stamp) for stamp in stamps or [None])


def shown_json(found: Shown) -> dict[str, Any]:
    """The same, for --json; days 0: the stack's."""
    tenants: dict[str, dict[str, Any]] = {}
    for tenant, stamped in found.listed():
        days = {"days": found.live.get(tenant, 0), "days_in_stack_file": found.in_file.get(tenant, 0)}
        item = tenants.setdefault(tenant, {"tenant": tenant, **days, "stored": []})
        if stamped is not None:
            item["stored"].append({"stamped_days": stamped, **_summed(found.of(tenant, stamped))})
    return {"stack_days": found.stack_days, "tenants": list(tenants.values())}


def _summed(rows: list[Stored]) -> dict[str, Any]:
    differ = any(row.differs for row in rows)
    return {
        "spans": sum(row.rows for row in rows if row.table == "spans_raw"),
        "events": sum(row.rows for row in rows if row.table == "events_raw"),
        "oldest": min(row.oldest for row in rows),
        "bytes": sum(row.bytes for row in rows),
        "differs": differ,
        "past": sum(row.past for row in rows),
        "past_if_applied": sum(row.past_wanted for row in rows) if differ else 0,
        "past_if_applied_bytes": sum(row.past_wanted_bytes for row in rows) if differ else 0,
    }


def shown_table(found: Shown) -> Table:
    """The same as a table."""
    right = ("stamp", "rows", "MiB", "past")
    table = table_of("tenant", "now", "stamp", "rows", "oldest", "MiB", "past", fold=("tenant", "now"), right=right)
    for tenant, stamped in found.listed():
        now, file = found.live.get(tenant, 0), found.in_file.get(tenant, 0)
        said = _short(now, found.stack_days) + (f" (file: {_short(file, found.stack_days)})" if file != now else "")
        if stamped is None:
            table.add_row(tenant, said, "", "0", "", "", "")
            continue
        item = _summed(found.of(tenant, stamped))
        counts = (f"{item['spans'] + item['events']:,}", f"{item['oldest']:%Y-%m-%d}")
        size = f"{item['bytes'] / 2**20:,.1f}"
        style = "yellow" if item["differs"] else None
        table.add_row(tenant, said, _short(stamped, 0), *counts, size, f"{item['past']:,}", style=style)
    return table


def _short(days: int, stack: int) -> str:
    return str(days) if days else f"stack's {stack}" if stack else "stack's"


def shown_lines(found: Shown) -> Iterator[str]:
    """What the figures mean."""
    yield "now: days of new rows; stamp: days of stored ones, spans and events"
    yield "past: rows past the days of their stamp; they go when ClickHouse's TTL next passes over their part, within hours"
    for tenant in sorted(found.tenants):
        now, file = found.live.get(tenant, 0), found.in_file.get(tenant, 0)
        if found.asked in ("", tenant) and now != file:
            yield f"{tenant}: the stack file wants {spelled(file)}: `telemetry up` brings it to new rows"
        differing = [row for row in found.of(tenant) if row.differs]
        if differing:
            count, size = sum(row.rows for row in differing), sum(row.bytes for row in differing)
            gone, room = sum(row.past_wanted for row in differing), sum(row.past_wanted_bytes for row in differing)
            yield (
                f"{tenant}: {count:,} rows ({size / 2**30:.2f} GiB) have another stamp than now; `telemetry retention apply "
                f"{tenant}` rewrites them and deletes {gone:,} ({room / 2**30:.2f} GiB) that are past the limit"
            )

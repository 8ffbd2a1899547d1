"""What is stored of tenants by the days of retention that it is stamped with, against what they have now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from infra.replicas import catch_up
from infra.worker.statements import rows

if TYPE_CHECKING:  # slow to import, and the command line imports this file
    from clickhouse_connect.driver.client import Client

STAMPED = {"spans_raw": "start_ts", "events_raw": "event_ts"}
"""Tables whose rows carry retention_days, and the time from which it counts. All else goes by a setting of the stack."""


@dataclass(frozen=True)
class Setting:
    """What a tenant's new rows are stamped with."""

    days: int
    """0: the stack's."""
    age_seconds: int
    """Since it was loaded."""


def settings(client: Client) -> dict[str, Setting]:
    """Each tenant's, as ClickHouse has it; also of those whose setting was taken away."""
    catch_up(client, ["tenants"])
    return {str(name): Setting(int(days), int(age)) for name, days, age in rows(client, "tenant_retention/tenants")}


def stack_days(client: Client) -> int:
    """Days after which rows with the stamp 0 are deleted, by the live table. 0: never."""
    return {str(tenant): int(days) for tenant, days in rows(client, "worker/raw_days")}[""]


@dataclass(frozen=True)
class Stored:
    """A tenant's rows of one table with one stamp; repeated rows count."""

    table: str
    tenant: str
    stamped: int
    """0: the stack's days."""
    wanted: int
    """What the tenant's new rows are stamped with."""
    rows: int
    oldest: datetime
    past: int
    """Rows past the days of their stamp: the next TTL pass over their part deletes them."""
    past_wanted: int
    """Rows past the tenant's days."""
    bytes: int
    """Estimated, as are the next: a part's bytes by its rows."""
    past_wanted_bytes: int

    @property
    def differs(self) -> bool:
        """Whether a rewrite would reach these rows."""
        return self.stamped != self.wanted


def stored(client: Client, wanted: Mapping[str, int], tenant: str = "") -> list[Stored]:
    """All rows of one tenant ('': of all). `wanted`: tenant to the days of its setting."""
    catch_up(client, list(STAMPED))
    found: list[Stored] = []
    for table, ts in STAMPED.items():
        query = {"table": table, "ts": ts, "tenant": tenant, "wanted": wanted}
        for name, stamped, count, oldest, past, past_wanted, size, past_size in rows(
            client, "tenant_retention/stored", **query
        ):
            now = wanted.get(str(name), 0)
            numbers = (int(count), oldest, int(past), int(past_wanted), int(size), int(past_size))
            found.append(Stored(table, str(name), int(stamped), now, *numbers))
    return found

"""Rewrites a tenant's rows to the days of retention that its new rows are stamped with.

As a mutation of each table. The TTL hangs on the column, so a mutation writes every part that holds such a row anew,
with new times of expiry and without what is past them; other parts stay as they are. (A lightweight UPDATE would leave the
parts' times of expiry as they were.) It runs in ClickHouse, whoever follows it, and on replicas by itself on each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.errors import UserError
from infra.replicas import active_replicas, catch_up, stored_everywhere
from infra.tenant_retention.stored import STAMPED, Setting, stored
from infra.worker import statements

if TYPE_CHECKING:  # slow to import, and the command line imports this file
    from clickhouse_connect.driver.client import Client

POLL_SECONDS = 0.2
LOADED_SECONDS = 120
"""Every node's dictionary has read a new setting by then (its LIFETIME is a minute)."""

Progress = Callable[[str, int, int], None]
"""Takes the table, parts done and parts in all."""


@dataclass(frozen=True)
class Work:
    """What there is to do in one table of one shard."""

    table: str
    rows: int
    past: int
    """Of these, past the tenant's days: deleted with the rewrite."""
    past_bytes: int
    parts: int
    part_bytes: int
    """Of the parts that are written anew, all tenants' rows in them."""
    running: bool
    """It is being done already."""
    right: int = 0
    """Rows that have the stamp already."""

    @property
    def nothing(self) -> bool:
        return not self.rows and not self.running


def work(client: Client, tenant: str, days: int) -> list[Work]:
    """What a rewrite would do. Raises UserError where a disk lacks the room."""
    found = stored(client, {tenant: days}, tenant)
    todo: list[Work] = []
    for table in STAMPED:
        ours = [row for row in found if row.table == table and row.differs]
        parts = statements.rows(client, "tenant_retention/parts", table=table, tenant=tenant, days=days)
        for disk, _, _, largest, free in parts:
            if int(largest) > int(free):
                raise UserError(
                    f"{table}: the disk {disk} has {int(free) / 2**30:.1f} GiB free and a part of {int(largest) / 2**30:.1f} "
                    "GiB has to be written anew beside the old one: docs/operations.md, A disk is full"
                )
        todo.append(
            Work(
                table,
                rows=sum(row.rows for row in ours),
                past=sum(row.past_wanted for row in ours),
                past_bytes=sum(row.past_wanted_bytes for row in ours),
                parts=sum(int(row[1]) for row in parts),
                part_bytes=sum(int(row[2]) for row in parts),
                running=bool(_unfinished(client, table, tenant, days)),
                right=sum(row.rows for row in found if row.table == table and not row.differs),
            )
        )
    return todo


def check_loaded(client: Client, tenant: str, setting: Setting | None) -> None:
    """Raises UserError while another node may still stamp new rows with the setting of before."""
    if setting is None or not active_replicas(client, list(STAMPED)) or setting.age_seconds >= LOADED_SECONDS:
        return
    raise UserError(
        f"{tenant}: its setting was loaded {setting.age_seconds} s ago, and a node may stamp new rows with the one of before "
        f"for up to {LOADED_SECONDS} s; run this again in {LOADED_SECONDS - setting.age_seconds} s"
    )


def rewrite(
    client: Client, tenant: str, days: int, todo: Iterable[Work], progress: Progress = lambda *_: None
) -> dict[str, int]:
    """Does it, one table after the other. Returns the rows that have another stamp nevertheless, by table: they came
    meanwhile. Raises UserError when ClickHouse can't."""
    for item in todo:
        if item.nothing:
            continue
        if not _unfinished(client, item.table, tenant, days):
            client.command(_statement(item.table, tenant, days), settings={"mutations_sync": 0})
        _follow(client, item.table, tenant, days, progress)
    left = {table: _left(client, table, tenant, days) for table in STAMPED}
    return {table: rows for table, rows in left.items() if rows}


def record(client: Client, tenant: str, days: int) -> None:
    """Lets the worker know that no row of the tenant goes by another term any more (infra.worker.repair)."""
    catch_up(client, ["retention_changes"])
    if statements.rows(client, "tenant_retention/unrecorded", tenant=tenant)[0][0]:
        settings = stored_everywhere(client, "retention_changes")
        statements.run(client, "tenant_retention/record", settings, tenant=tenant, days=days)


def _statement(table: str, tenant: str, days: int) -> str:
    return statements.text("tenant_retention/rewrite", table=table, tenant=tenant, days=days)


def _unfinished(client: Client, table: str, tenant: str, days: int) -> list[tuple[str, int, str]]:
    """Mutations that do this already: id, parts to do, why it failed last."""
    statement = _statement(table, tenant, days)
    found = statements.rows(client, "tenant_retention/unfinished", table=table, statement=statement)
    return [(str(id_), int(parts), str(reason)) for id_, parts, reason in found]


def _follow(client: Client, table: str, tenant: str, days: int, progress: Progress) -> None:
    total = 0
    while found := _unfinished(client, table, tenant, days):
        id_, parts, reason = found[-1]
        if reason:
            raise UserError(
                f"{table}: ClickHouse can't rewrite it (mutation {id_}): {reason.partition(' (version ')[0]}\n"
                "It goes on trying: run this again to follow it once the cause is gone, or end it with `telemetry query "
                f"\"KILL MUTATION WHERE table = '{table}' AND mutation_id = '{id_}'\"`"
            )
        total = max(total, parts)
        progress(table, total - parts, total)
        time.sleep(POLL_SECONDS)
    progress(table, total, total)


def _left(client: Client, table: str, tenant: str, days: int) -> int:
    query = f"SELECT count() FROM telemetry.{table} WHERE tenant_id = %(tenant)s AND retention_days != %(days)s"
    return int(client.query(query, parameters={"tenant": tenant, "days": days}).result_rows[0][0])

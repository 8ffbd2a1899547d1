"""`telemetry audit`: what Kafka took against what is stored, and what is stored against what the rollups show.

Nothing that is on its way counts as a difference: offsets that ClickHouse has not committed are lag, and minutes and
messages that differ are looked at again before they are reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clickhouse_connect.driver.client import Client

from infra.replicas import catch_up
from infra.worker import audit_figures, audit_logs, audit_messages
from infra.worker.blank_messages import BlankCounter
from infra.worker.positions import Position
from infra.worker.redelivered import REMEMBERED_MS
from infra.worker.report import AuditReport, AuditRow
from infra.worker.statements import server_ms

__all__ = ["AuditReport", "AuditRow", "Shard", "audit", "audit_shards"]

SETTLE_SECONDS = 1.5
"""Between two looks at something that differs: longer than ClickHouse takes to store what it has read from Kafka."""


def audit(
    client: Client,
    positions: Iterable[Position],
    since_ms: int = 0,
    repair: bool = False,
    settle_seconds: float = SETTLE_SECONDS,
    blank: BlankCounter = lambda *_: 0,
) -> AuditReport:
    """Checks everything that arrived since `since_ms` (Unix ms; 0: all that can still be compared).

    `positions`: infra.worker.positions.read_positions, read before. `repair`: recomputes the minutes that differ and
    checks them again. `blank`: infra.worker.blank_messages.blank_counter, asked about offsets that the ledger lacks. What is not stored at all can't be mended here and stays in the report.
    """

    return audit_shards([Shard(client, positions)], since_ms, repair, settle_seconds, blank)


@dataclass(frozen=True)
class Shard:
    """What is compared on one shard."""

    client: Client
    positions: Iterable[Position]


def audit_shards(
    shards: Sequence[Shard],
    since_ms: int = 0,
    repair: bool = False,
    settle_seconds: float = SETTLE_SECONDS,
    blank: BlankCounter = lambda *_: 0,
) -> AuditReport:
    """The same over all shards: what lies on one shard is compared there, a message's rows over all of them."""
    clients = [shard.client for shard in shards]

    def settle() -> None:
        time.sleep(settle_seconds)
        for client in clients:
            catch_up(client)

    # After the positions were read: whatever is committed is stored on some node, and from here on on the one asked.
    for client in clients:
        catch_up(client)
    report = AuditReport()
    for number, shard in enumerate(shards, 1):
        _named(report, number, audit_messages.offsets(shard.client, shard.positions, since_ms, blank))
    # Of older messages the rows can't be counted any more: span_keys and log_keys have let them go.
    oldest = server_ms(clients[0]) - REMEMBERED_MS
    report.rows += audit_messages.messages(clients[0], max(since_ms, oldest), settle, len(shards), oldest)
    for number, client in enumerate(clients, 1):
        _compare(client, report, number, since_ms, settle, repair)
    return report


def _named(report: AuditReport, number: int, rows: Iterable[AuditRow]) -> None:
    """Adds a shard's rows."""
    report.rows += [row if number == 1 else replace(row, name=f"shard {number}: {row.name}") for row in rows]


def _compare(
    client: Client, report: AuditReport, number: int, since_ms: int, settle: Callable[[], Any], repair: bool
) -> None:
    """What is compared on one shard alone."""
    _named(report, number, [audit_messages.dead_letters(client, since_ms, settle)])
    logs, unsettled = audit_logs.check(client, since_ms, settle)
    figures = audit_figures.check(client, since_ms, settle, repair)
    _named(report, number, [logs, *audit_figures.rows(figures)])
    report.repaired += len(figures.repairs.repaired)
    report.refused += len(figures.repairs.refused)
    report.unsettled += figures.unsettled + unsettled

"""`telemetry audit`: what Kafka took against what is stored, and what is stored against what the rollups show.

Nothing that is on its way counts as a difference: offsets that ClickHouse has not committed are lag, and minutes and
messages that differ are looked at again before they are reported.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from clickhouse_connect.driver.client import Client

from infra.replicas import catch_up
from infra.worker import audit_figures, audit_logs, audit_messages
from infra.worker.blank_messages import BlankCounter
from infra.worker.positions import Position
from infra.worker.redelivered import REMEMBERED_MS
from infra.worker.report import AuditReport, AuditRow
from infra.worker.statements import server_ms

__all__ = ["AuditReport", "AuditRow", "audit"]

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

    def settle() -> None:
        time.sleep(settle_seconds)
        catch_up(client)

    # After the positions were read: whatever is committed is stored on some node, and from here on on this one.
    catch_up(client)
    report = AuditReport()
    report.rows += audit_messages.offsets(client, positions, since_ms, blank)
    # Of older messages the rows can't be counted any more: span_keys and log_keys have let them go.
    remembered = max(since_ms, server_ms(client) - REMEMBERED_MS)
    report.rows += audit_messages.messages(client, remembered, settle)
    report.rows.append(audit_messages.dead_letters(client, since_ms, settle))
    logs, unsettled = audit_logs.check(client, since_ms, settle)
    report.rows.append(logs)
    figures = audit_figures.check(client, since_ms, settle, repair)
    report.rows += audit_figures.rows(figures)
    report.repaired = len(figures.repairs.repaired)
    report.refused = len(figures.repairs.refused)
    report.unsettled = figures.unsettled + unsettled
    return report

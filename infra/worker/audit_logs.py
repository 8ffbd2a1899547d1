"""The audit's check of log records: per tenant and minute, what came against what telemetry.events_raw holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.client import Client

from infra.worker import statements
from infra.worker.audit_figures import EXAMPLES, LOOKS
from infra.worker.keys import Key, batches, bounds, sql_tenants, sql_tuples
from infra.worker.redelivered import REMEMBERED_MS
from infra.worker.repair import raw_retention
from infra.worker.report import AuditRow


@dataclass(frozen=True)
class Counted:
    """Log records of one tenant's minute."""

    expected: int
    found: int
    arrived: tuple[int, int]
    """How many had arrived, repeated ones too, and when the last one did."""

    @property
    def difference(self) -> int:
        return abs(self.expected - self.found)


def check(client: Client, since_ms: int, settle: Callable[[], Any]) -> tuple[AuditRow, int]:
    """The comparison of every minute that got a log record since then, and how many minutes could not be compared because
    records kept arriving. What is not stored can't be mended."""
    retention, now_ms = raw_retention(client), statements.server_ms(client)
    # log_keys holds seven days by arrival, as span_keys does: of older minutes it may know a part only.
    first = (now_ms - REMEMBERED_MS) // 60_000 * 60
    table = statements.rows(client, "audit/log_minutes", since=since_ms, first=first)
    sizes = {Key(str(tenant), int(minute)): int(rows) for tenant, minute, rows in table}
    sizes = {key: rows for key, rows in sizes.items() if not retention.may_be_deleted(key, now_ms)}
    counted: dict[Key, Counted] = {}
    left = dict(sizes)
    for number in range(LOOKS):
        if number:
            settle()
        before = {key: counted[key] for key in left if key in counted}
        for batch in batches(left.items()):
            counted.update(_count(client, batch))
        left = {key: sizes[key] for key in left if counted[key].difference and counted[key] != before.get(key)}
        if not left:
            break
    compared = {key: item for key, item in sorted(counted.items()) if key not in left}
    return _row(compared), len(left)


def _count(client: Client, keys: Sequence[Key]) -> dict[Key, Counted]:
    first, end = bounds(keys)
    query = {"first": first, "end": end, "tenants": sql_tenants(keys), "keys": sql_tuples(keys)}
    return {
        Key(str(tenant), int(minute)): Counted(int(expected), int(found), (int(rows), int(last)))
        for tenant, minute, expected, found, rows, last in statements.rows(client, "audit/logs", **query)
    }


def _row(compared: dict[Key, Counted]) -> AuditRow:
    wrong = [
        f"{key.tenant_id} {key.time:%Y-%m-%d %H:%M} {item.found - item.expected:+}"
        for key, item in compared.items()
        if item.difference
    ]
    return AuditRow(
        "log records in events",
        sum(item.expected for item in compared.values()),
        sum(item.found for item in compared.values()),
        sum(item.difference for item in compared.values()),
        ", ".join(wrong[:EXAMPLES]) + (f", {len(wrong) - EXAMPLES} more" if len(wrong) > EXAMPLES else ""),
    )

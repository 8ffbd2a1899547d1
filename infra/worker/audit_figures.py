"""The audit's checks of figures: per tenant and minute, raw against span keys and the rollups against raw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client

from infra.worker import statements
from infra.worker.keys import Key, batches, bounds, sql_tenants, sql_tuples
from infra.worker.redelivered import REMEMBERED_MS
from infra.worker.repair import RepairResult, arrivals, raw_retention, repair, sizes
from infra.worker.report import AuditRow, Figure
from infra.worker.statements import ROLLUPS, raw_where, recomputed

LOOKS = 4
"""How often a minute that differs is looked at: while rows arrive, its figures don't stem from one moment."""
EXAMPLES = 5

Values = dict[str, Figure]


@dataclass
class Compared:
    """One key's figures: what raw gives and what is shown."""

    expected: Values
    found: Values

    def differences(self) -> Values:
        """Found less expected, where they differ."""
        names = self.expected.keys() | self.found.keys()
        amounts = {name: self.found.get(name, 0) - self.expected.get(name, 0) for name in names}
        return {name: amount for name, amount in amounts.items() if amount}


@dataclass(frozen=True)
class Look:
    """What one comparison of one key found, and what had arrived for it before and after (rows, time of the last)."""

    differences: Values
    before: tuple[int, int] | None
    after: tuple[int, int] | None


@dataclass
class Figures:
    """All compared keys, what still differs, and what repairing did."""

    compared: dict[Key, Compared] = field(default_factory=dict)
    wrong: dict[Key, set[str]] = field(default_factory=dict)
    """Key to the figures that differ."""
    unsettled: int = 0
    """Keys that differed while rows were arriving for them: nothing can be said."""
    repairs: RepairResult = field(default_factory=RepairResult)


def check(client: Client, since_ms: int, settle: Callable[[], Any], mend: bool) -> Figures:
    """Compares every key that got a row since then, and mends those that differ if asked to."""
    result = Figures()
    suspects = _examine(client, result, _keys(client, since_ms), settle)
    if mend and (result.wrong or suspects):
        keys = {*result.wrong, *suspects}
        result.repairs = repair(client, keys)
        result.unsettled -= len(suspects)
        _examine(client, result, sorted(keys), settle)
    return result


def _keys(client: Client, since_ms: int) -> list[Key]:
    """Keys that got a row, and keys of that time that the rollups show. Not those whose raw may be deleted."""
    retention, now_ms = raw_retention(client), statements.server_ms(client)
    # What span_keys no longer holds can't be compared.
    first = max(since_ms, now_ms - REMEMBERED_MS) // 60_000 * 60
    found = statements.keys_of(statements.rows(client, "audit/keys", since=since_ms, first=first))
    return [key for key in found if not retention.may_be_deleted(key, now_ms)]


def _compare(client: Client, keys: Sequence[Key]) -> dict[Key, Compared]:
    first, end = bounds(keys)
    now_ms = statements.server_ms(client)
    rollups = {
        name: {"table": table, "select": recomputed(name, raw_where(keys), 0)} for name, table in ROLLUPS.items()
    }
    query = {
        "first": first,
        "end": end,
        "tenants": sql_tenants(keys),
        "keys": sql_tuples(keys),
        "where": raw_where(keys),
        "remembered": (now_ms - REMEMBERED_MS) // 1000,
        "rollups": rollups,
    }
    sides: dict[Key, Compared] = {key: Compared({}, {}) for key in keys}
    for side, tenant, minute, *pairs in statements.rows(client, "audit/figures", **query):
        item = sides[Key(str(tenant), int(minute))]
        values = item.expected if side == "expected" else item.found
        for name, value in pairs[0]:
            values[name] = Decimal(value)
    return sides


def _examine(client: Client, result: Figures, keys: Sequence[Key], settle: Callable[[], Any]) -> set[Key]:
    """Looks at the keys until it is clear which really differ. Returns suspects: rows kept arriving for them, but
    something was counted too much at every look."""
    looks: dict[Key, list[Look]] = {key: [] for key in keys}
    left = list(keys)
    for number in range(LOOKS):
        if number:
            settle()
        for batch in batches(sizes(client, left)):
            before = arrivals(client, batch)
            compared = _compare(client, batch)
            after = arrivals(client, batch)
            for key, item in compared.items():
                result.compared[key] = item
                looks[key].append(Look(item.differences(), before.get(key), after.get(key)))
        left = [key for key in left if looks[key][-1].differences and not _steady(looks[key])]
        if not left:
            break
    differing = [key for key in keys if looks[key][-1].differences]
    result.wrong = {key: set(looks[key][-1].differences) for key in differing if _steady(looks[key])}
    unsettled = [key for key in differing if key not in result.wrong]
    result.unsettled += len(unsettled)
    for key in unsettled:
        del result.compared[key]
    return {key for key in unsettled if all(max(look.differences.values()) > 0 for look in looks[key])}


def _steady(looks: Sequence[Look]) -> bool:
    """Whether the last two looks found the same differences and no row arrived from the first to the second."""
    if len(looks) < 2:
        return False
    first, second = looks[-2:]
    return first.differences == second.differences and first.before == second.after


def rows(figures: Figures) -> list[AuditRow]:
    """One row a figure over all keys."""
    names = sorted({name for item in figures.compared.values() for name in item.expected | item.found})
    return [_row(figures, name) for name in names]


def _row(figures: Figures, name: str) -> AuditRow:
    expected = _whole(sum(item.expected.get(name, 0) for item in figures.compared.values()))
    found = _whole(sum(item.found.get(name, 0) for item in figures.compared.values()))
    wrong = {
        key: figures.compared[key].differences()[name]
        for key, names in sorted(figures.wrong.items())
        if name in names and name in figures.compared[key].differences()
    }
    shown = [f"{key.tenant_id} {key.time:%Y-%m-%d %H:%M} {_whole(amount):+}" for key, amount in wrong.items()]
    detail = ", ".join(shown[:EXAMPLES]) + (f", {len(shown) - EXAMPLES} more" if len(shown) > EXAMPLES else "")
    return AuditRow(name, expected, found, _whole(sum(abs(amount) for amount in wrong.values())), detail)


def _whole(figure: Figure) -> Figure:
    """Counts as integers, money as decimals."""
    return int(figure) if figure == int(figure) else Decimal(figure).normalize()

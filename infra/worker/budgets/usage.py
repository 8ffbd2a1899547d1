"""How much the subjects of a budget have used: a look of every few seconds, cheap because it reads the last minutes only.

What was used before them is computed now and then, and when a backfill or a repair has changed it, and kept in
telemetry.budget_base. Whatever such a look finds is asked for again exactly, over the whole window, before anybody is told.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from infra.templates import sql_string
from infra.worker import statements
from infra.worker.budgets.config import Budget
from infra.worker.budgets.window import HOUR, MINUTE

RECENT = 15 * MINUTE
"""What every look reads, and up to REFRESH more."""
REFRESH = 5 * MINUTE
"""Between two computings of what was used before; of a short rolling window sooner, since it moves."""
REPAIR_MS = 15 * MINUTE * 1000
"""A batch of minutes that began to be recomputed longer ago than this is shown, or never will be."""
PAUSES = 10
"""After a repair it is computed anew at once, but under a backfill, which repairs on and on, for a tenth of the time at most."""
ACTIVE = HOUR
"""A run that has been silent for longer than this is over, whatever its root span says."""
AT_ONCE = 200
"""Subjects that one statement asks for exactly."""


class Subject(NamedTuple):
    """Who uses: a tenant, or its workflow, agent or run."""

    tenant_id: str
    name: str
    """The workflow, the agent or the trace id; '': the tenant itself."""


@dataclass(frozen=True)
class Usage:
    """What a subject has used in a budget's window."""

    subject: Subject
    used: float
    model_calls: int
    unpriced_calls: int


@dataclass(frozen=True)
class _Base:
    computed: int
    """Unix milliseconds of the computing, which are its name too."""
    start: int
    until: int
    """Up to when it counts: looks read on from there."""
    repaired: int
    """What `repaired` said before it was computed."""
    busy_until: float
    """Not computed anew before this, by time.monotonic, however much is repaired."""


class Meter:
    """Reads usage; remembers which computing of the base each budget has."""

    def __init__(self) -> None:
        self._bases: dict[str, _Base] = {}

    def top(self, client: Client, budget: Budget, now_ms: int, least: float, limit: int) -> list[Usage]:
        """The subjects that have used at least `least`, the most first, as a look finds them. Of runs: those that had a
        span lately."""
        start, end = budget.span.bounds(now_ms // 1000)
        base = self._base(client, budget, now_ms)
        since = max(start, base.until) if base else start
        return _usage(client, budget, since, end, least, limit, base=base.computed if base else 0)

    def exact(self, client: Client, budget: Budget, now_ms: int, subjects: Iterable[Subject]) -> dict[Subject, Usage]:
        """What these have used, over the whole window; who has used nothing is left out."""
        start, end = budget.span.bounds(now_ms // 1000)
        found: dict[Subject, Usage] = {}
        wanted = sorted(set(subjects))
        for first in range(0, len(wanted), AT_ONCE):
            part = wanted[first : first + AT_ONCE]
            for usage in _usage(client, budget, start, end, 0, len(part), only=inside(part, budget.scope == "run")):
                found[usage.subject] = usage
        return found

    def _base(self, client: Client, budget: Budget, now_ms: int) -> _Base | None:
        now = now_ms // 1000
        start, _ = budget.span.bounds(now)
        until = now - now % MINUTE - RECENT
        if start >= until:
            return None
        known = self._bases.get(budget.name)
        rolls = budget.span.kind == "rolling"
        refresh = max(MINUTE, min(REFRESH, budget.span.seconds // 100)) if rolls else REFRESH
        same_period = known is not None and (budget.span.kind in ("rolling", "run") or known.start == start)
        fresh = known and same_period and now_ms - known.computed < refresh * 1000
        if known and fresh and (time.monotonic() < known.busy_until or _repaired(client, known) == known.repaired):
            return known
        # Of another period's base nothing is taken over.
        active = now - ACTIVE if budget.scope == "run" else 0
        made = _Base(now_ms, start, until, 0, 0)
        # Asked first: what is repaired while it is computed counts as a change.
        repaired, began = _repaired(client, made), time.monotonic()
        values = {"b": budget, "computed": now_ms, "start": start, "end": until, "active": active}
        statements.run(client, "worker/budgets/base", **values)
        ended = time.monotonic()
        made = replace(made, repaired=repaired, busy_until=ended + PAUSES * (ended - began))
        self._bases[budget.name] = made
        return made


def _repaired(client: Client, base: _Base) -> int:
    """Changes when a backfill or a repair shows new figures of the base's minutes."""
    values = {"start": base.start, "end": base.until, "since": base.computed - REPAIR_MS}
    return int(statements.rows(client, "worker/budgets/repaired", **values)[0][0])


def _usage(
    client: Client,
    budget: Budget,
    start: int,
    end: int | None,
    least: float,
    limit: int,
    base: int = 0,
    only: dict[str, str] | None = None,
) -> list[Usage]:
    values: dict[str, Any] = {"start": start, "end": end or 0, "base": base, "only": only or "", "limit": limit}
    # Above nothing at all: a subject that has used nothing is no subject.
    least = max(least, 1e-12)
    table = statements.rows(
        client, "worker/budgets/usage", b=budget, least=f"{least:.12f}", enough=int(least), **values
    )
    return [
        Usage(Subject(str(tenant), str(name)), float(used), int(calls), int(unpriced))
        for tenant, name, used, calls, unpriced in table
    ]


def inside(subjects: Sequence[Subject], runs: bool) -> dict[str, str]:
    """The subjects as the insides of IN ( … )."""
    return {
        "tenants": ", ".join(sql_string(tenant) for tenant in sorted({subject.tenant_id for subject in subjects})),
        "subjects": ", ".join(f"({sql_string(tenant)}, {sql_string(name)})" for tenant, name in subjects),
        "traces": ", ".join(f"toFixedString(unhex({sql_string(item.name)}), 16)" for item in subjects) if runs else "",
    }

"""The worker's step that looks at every budget: what has crossed, what is over; the telling is infra.worker.budgets.notify."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from clickhouse_connect.driver.client import Client

from infra.worker import statements
from infra.worker.budgets.config import Budget
from infra.worker.budgets.episodes import Episode, last_episodes, new_episode, open_episodes
from infra.worker.budgets.events import Event, make_event, record_events
from infra.worker.budgets.orphans import ended_without_budget
from infra.worker.budgets.runs import run_parts, runs_behind
from infra.worker.budgets.usage import ACTIVE, Meter, Subject, Usage
from infra.worker.lease import Lease
from infra.worker.results import StepResult

LEASE = "budgets"
MOST_NEW = 100
"""New crossings of one budget that one look takes on, the most used first; the next looks take the rest."""
RESOLVE_SHARE = 0.9
"""A crossing is over below this share of what was crossed: usage that moves around the limit must not tell each time."""
SNAPSHOT_SECONDS = 60.0
SHOWN = 20


class Evaluate:
    """Looks at all budgets. One worker at a time: the lease's holder."""

    def __init__(self, budgets: Sequence[Budget], source: str, tell: bool, lease: Lease) -> None:
        self._budgets, self._source, self._tell, self._lease = budgets, source, tell, lease
        self._meter = Meter()
        self._shown = -float("inf")

    def __call__(self, client: Client) -> StepResult:
        if not self._lease.held(client):
            return StepResult(True, 0, record=False)
        began = time.monotonic()
        now_ms = statements.server_ms(client)
        show = began - self._shown >= SNAPSHOT_SECONDS
        # Rows that this node does not have yet are seen at the next look: waiting for a node that is down would cost more.
        known = open_episodes(client)
        said: list[Event] = []
        failed: list[Exception] = []
        for budget in self._budgets:
            try:
                said += self._look(client, budget, known.pop(budget.name, {}), now_ms, show)
            except Exception as error:
                # One that can't be evaluated must not hold up the others.
                known.pop(budget.name, None)
                failed.append(error)
        orphans = ended_without_budget(client, known, self._tell, now_ms)
        record_events(client, orphans)
        if show:
            self._show(client, now_ms)
        if failed:
            raise failed[0]
        seconds = round(time.monotonic() - began, 3)
        told = [f"{event.budget}: {event.tenant_id} {event.subject} {event.kind} at {event.used:g}" for event in said]
        detail = {"events": len(said) + len(orphans)}
        return StepResult(True, seconds, detail, bool(said) or show, "; ".join(told[:5]) + (" …" if told[5:] else ""))

    def _look(
        self, client: Client, budget: Budget, opened: Mapping[Subject, Episode], now_ms: int, ends: bool
    ) -> list[Event]:
        """The budget's events; recorded."""
        least = budget.thresholds[0] * budget.limit
        top = self._meter.top(client, budget, now_ms, least, MOST_NEW + len(opened))
        before = last_episodes(client, budget, [usage.subject for usage in top if usage.subject not in opened])
        told = {subject: episode.level for subject, episode in opened.items()}
        if budget.scope == "run":
            # A run is told of once at each level, whether it is over or not.
            told |= {subject: episode.level for subject, episode in before.items()}
        higher = [usage.subject for usage in top if _level(budget, usage) > told.get(usage.subject, 0)][:MOST_NEW]
        found = {usage.subject: usage for usage in top}
        lower = [] if budget.scope == "run" else [s for s, e in opened.items() if _over(budget, e, found.get(s))]
        exact = self._meter.exact(client, budget, now_ms, [*higher, *lower])
        crossed = {
            exact[subject]: opened.get(subject)
            or new_episode(budget, subject, now_ms, before[subject].id if subject in before else "")
            for subject in higher
            if subject in exact and _level(budget, exact[subject]) > told.get(subject, 0)
        }
        events = self._crossings(client, budget, crossed, now_ms)
        for subject in lower:
            usage = exact.get(subject, Usage(subject, 0.0, 0, 0))
            if _over(budget, opened[subject], usage):
                events += self._resolved(budget, opened[subject], usage, now_ms)
        if budget.scope == "run" and ends:
            events += self._ended(client, budget, opened, now_ms)
        record_events(client, events)
        return events

    def _crossings(self, client: Client, budget: Budget, crossed: Mapping[Usage, Episode], now_ms: int) -> list[Event]:
        used = {usage.subject: usage.used for usage in crossed}
        whole = run_parts(client, used, now_ms) if budget.scope == "run" else {}
        events = []
        for usage, episode in crossed.items():
            level = _level(budget, usage)
            if budget.scope == "run":
                runs, more = [whole[usage.subject]] if usage.subject in whole else [], False
            else:
                runs, more = runs_behind(client, budget, usage.subject, now_ms)
            kind = "warned" if level < 1 else "crossed"
            events.append(make_event(self._source, budget, episode, kind, level, usage, now_ms, self._tell, runs, more))
        return events

    def _resolved(self, budget: Budget, episode: Episode, usage: Usage, now_ms: int) -> list[Event]:
        """It is over. Who has only warned has stopped nothing, so nobody is told; a run is over by itself."""
        tell = self._tell and episode.level >= 1 and budget.scope != "run"
        ended = make_event(self._source, budget, episode, "resolved", 0, usage, now_ms, tell)
        level = _level(budget, usage)
        if not 0 < level < episode.level:
            return [ended]
        # Still as much as is warned of: that is no news.
        again = new_episode(budget, usage.subject, now_ms, episode.id)
        return [ended, make_event(self._source, budget, again, "warned", level, usage, now_ms, False)]

    def _ended(self, client: Client, budget: Budget, opened: Mapping[Subject, Episode], now_ms: int) -> list[Event]:
        """Runs that have ended, or were silent for ACTIVE."""
        parts = run_parts(client, {subject: 0.0 for subject in opened}, now_ms)
        events = []
        for subject, episode in opened.items():
            part = parts.get(subject)
            silent_since = now_ms / 1000 - ACTIVE
            if part is None or part.state in ("ok", "error") or part.last_span_at.timestamp() < silent_since:
                events += self._resolved(budget, episode, Usage(subject, 0.0, 0, 0), now_ms)
        return events

    def _show(self, client: Client, now_ms: int) -> None:
        """What is used now, for people who look."""
        rows = []
        for budget in self._budgets:
            top = self._meter.top(client, budget, now_ms, 0, SHOWN)
            rows += [(budget, usage) for usage in top or [Usage(Subject("", ""), 0.0, 0, 0)]]
        if rows:
            statements.run(client, "worker/budgets/snapshot", rows=rows, now_ms=now_ms)
        self._shown = time.monotonic()


def _level(budget: Budget, usage: Usage) -> float:
    """The highest threshold that is reached; 0: none."""
    return max((share for share in budget.thresholds if usage.used >= share * budget.limit), default=0.0)


def _over(budget: Budget, episode: Episode, usage: Usage | None) -> bool:
    """Whether so little is used that the crossing, or the warning, is over."""
    crossed = 1.0 if episode.level >= 1 else episode.level
    return usage is None or usage.used < RESOLVE_SHARE * crossed * budget.limit

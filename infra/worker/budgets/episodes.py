"""What is known of crossings so far: episodes, from the first event of a subject to the one that says it is over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client

from infra.replicas import catch_up
from infra.templates import sql_string
from infra.worker import statements
from infra.worker.budgets.config import Budget
from infra.worker.budgets.usage import AT_ONCE, Subject

EventKind = str
"""warned, crossed or resolved"""


@dataclass(frozen=True)
class Episode:
    """One budget and one subject, from the first event on."""

    id: str
    budget: str
    subject: Subject
    level: float
    """The highest that somebody was told of, as a share of the limit."""
    since_ms: int


def new_episode(budget: Budget, subject: Subject, now_ms: int, before: str = "") -> Episode:
    """An episode that begins now, after the subject's last one (`before`, its id). Two workers that begin it give it the
    same id, whenever each of them does."""
    month = f"{datetime.fromtimestamp(now_ms / 1000, UTC):%Y-%m}"
    name = "\0".join((budget.name, subject.tenant_id, subject.name, before, month))
    return Episode(hashlib.sha256(name.encode()).hexdigest()[:32], budget.name, subject, 0.0, now_ms)


def event_id(episode: Episode, kind: EventKind, level: float) -> str:
    """The same for the same event, however often it is found or sent."""
    return f"budget_{episode.id}_{kind}" + (f"_{level:g}" if kind != "resolved" else "")


def open_episodes(client: Client) -> dict[str, dict[Subject, Episode]]:
    """Every episode that is not over, by budget and subject."""
    catch_up(client, ["budget_events"])
    found: dict[str, dict[Subject, Episode]] = {}
    for id_, budget, tenant, name, level, since in statements.rows(client, "worker/budgets/open"):
        subject = Subject(str(tenant), str(name))
        found.setdefault(str(budget), {})[subject] = Episode(id_, str(budget), subject, float(level), int(since))
    return found


def last_episodes(client: Client, budget: Budget, subjects: Iterable[Subject]) -> dict[Subject, Episode]:
    """The last episode of each of these, over or not, with the highest level of any."""
    wanted = sorted(set(subjects))
    found: dict[Subject, Episode] = {}
    for first in range(0, len(wanted), AT_ONCE):
        pairs = ", ".join(f"({sql_string(t)}, {sql_string(n)})" for t, n in wanted[first : first + AT_ONCE])
        rows = statements.rows(client, "worker/budgets/last_episodes", budget=budget.name, subjects=pairs)
        for tenant, name, id_, level, since in rows:
            subject = Subject(str(tenant), str(name))
            found[subject] = Episode(str(id_), budget.name, subject, float(level), int(since))
    return found

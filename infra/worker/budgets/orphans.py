"""Open episodes whose budget is gone from the file: they end, and who was told of them is told so."""

from __future__ import annotations

from collections.abc import Mapping

from clickhouse_connect.driver.client import Client

from infra.templates import sql_string
from infra.worker import statements
from infra.worker.budgets.body import Body
from infra.worker.budgets.config import Budget
from infra.worker.budgets.episodes import Episode
from infra.worker.budgets.events import Event, make_event
from infra.worker.budgets.usage import Subject, Usage


def ended_without_budget(
    client: Client, left: Mapping[str, Mapping[Subject, Episode]], tell: bool, now_ms: int
) -> list[Event]:
    """The ends of these episodes, from what their last event said."""
    episodes = {episode.id: episode for found in left.values() for episode in found.values()}
    if not episodes:
        return []
    ids = ", ".join(sql_string(id_) for id_ in episodes)
    events = []
    for id_, text in statements.rows(client, "worker/budgets/last_bodies", episodes=ids):
        episode, data = episodes[str(id_)], Body.model_validate_json(text).data
        budget = Budget.model_validate(data.budget.model_dump())
        usage = Usage(episode.subject, data.used, data.model_calls, data.unpriced_calls)
        heard = tell and episode.level >= 1 and budget.scope != "run"
        events.append(make_event(data.source, budget, episode, "resolved", 0, usage, now_ms, heard))
    return events

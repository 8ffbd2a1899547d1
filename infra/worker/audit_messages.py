"""The audit's checks of messages: Kafka's offsets against the ledger, the ledger against rows and dead letters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from clickhouse_connect.driver.client import Client

from infra.worker import statements
from infra.worker.blank_messages import BlankCounter
from infra.worker.positions import Position
from infra.worker.report import AuditRow

HOLES_NAMED = 5


def offsets(client: Client, positions: Iterable[Position], since_ms: int, blank: BlankCounter) -> list[AuditRow]:
    """One row a partition: every offset that ClickHouse has committed must be in the ledger, unless it holds nothing.

    What Kafka holds beyond the committed offset is lag, not loss; what arrived more than once is named, not counted
    as a difference: whether it was counted twice is what the other checks find out.
    """
    return [_partition(client, position, since_ms, blank) for position in positions]


def _partition(client: Client, at: Position, since_ms: int, blank: BlankCounter) -> AuditRow:
    name = f"offsets {at.topic}/{at.partition}"
    where = {"topic": at.topic, "partition": at.partition}
    unknown, first = statements.rows(client, "audit/ledger_range", since=since_ms, **where)[0]
    stop = at.committed if at.committed is not None else 0
    start = at.begin if unknown else int(first)
    if since_ms == 0:
        start = min(start, at.begin)
    notes = [f"lag {at.end - max(stop, at.begin)}"] if at.end > max(stop, at.begin) else []
    # Kafka's retention ended before ClickHouse had read these.
    unread = max(0, at.begin - stop) if at.committed is not None else 0
    if unread:
        notes.append(f"{unread} deleted by Kafka before they were read")
    if stop <= start:
        return AuditRow(name, unread, 0, unread, ", ".join(notes))
    found, twice, holes = statements.rows(client, "audit/offsets", start=start, stop=stop, **where)[0]
    if twice:
        notes.append(f"{twice} arrived more than once")
    empty = blank(at.topic, at.partition, holes) if holes else 0
    if empty:
        notes.append(f"{empty} without content")
    if stop - start - int(found) - empty:
        holes = holes[:HOLES_NAMED]
        notes.append("missing " + ", ".join(f"{low}-{high}" if low != high else str(low) for low, high in holes))
    expected = stop - start + unread - empty
    return AuditRow(name, expected, int(found), expected - int(found), ", ".join(notes))


def messages(
    client: Client, since_ms: int, settled: Callable[[], Any], shards: int = 1, remembered_ms: int = 0
) -> list[AuditRow]:
    """Rows of every message that arrived since then: each span (or log record) of a message must be stored.

    A message is short when fewer rows came of it than it had, however often it arrived. Messages that look short
    are looked at again after `settled()`: the views of one message don't commit at one moment. `shards`: on which a
    message's spans lie; messages that some shard read before `remembered_ms` are not compared.
    """
    query: dict[str, Any] = {"name": "audit/messages", "since": since_ms, "shards": shards, "remembered": remembered_ms}
    table = statements.rows(client, **query)
    if any(row[3] for row in table):
        settled()
        table = statements.rows(client, **query)
    return [
        AuditRow(
            f"rows of messages {topic}",
            int(expected),
            int(expected) - int(missing),
            int(missing),
            f"{messages_} messages" + (f", short: {', '.join(short)}" if short else ""),
        )
        for topic, messages_, expected, missing, short in table
    ]


def dead_letters(client: Client, since_ms: int, settled: Callable[[], Any]) -> AuditRow:
    """Messages that could not be parsed: each must be kept as a dead letter."""
    expected, found = statements.rows(client, "audit/dead_letters", since=since_ms)[0]
    if expected != found:
        settled()
        expected, found = statements.rows(client, "audit/dead_letters", since=since_ms)[0]
    return AuditRow("dead letters", int(expected), int(found), abs(int(expected) - int(found)))

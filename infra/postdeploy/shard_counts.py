"""From which message on there are how many shards: what each shard keeps follows from this alone (sql/macros/shards.sql).

A message has to be judged by the same number on all shards. So before the number changes, no shard reads any more; the
change then counts from a time after every message that was read, and the ingest step has them go on. Whatever is cut off
in between leaves shards that wait, which the next `up` continues, and no message that is judged in two ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from infra.clickhouse import as_user_error
from infra.dynamic import plain_props
from infra.endpoints import ClickHouseEndpoint
from infra.errors import UserError
from infra.paths import SQL
from infra.postdeploy.clickhouse_inputs import clickhouse_inputs, client_of
from infra.postdeploy.ingest import drop
from infra.replicas import catch_up
from infra.shards import DATABASE
from infra.templates import render

if TYPE_CHECKING:  # slow to import, and the Pulumi program only declares this step
    from clickhouse_connect.driver.client import Client

READERS = (f"{DATABASE}.kafka_spans", f"{DATABASE}.kafka_events")
Since = list[list[int]]


def grown(clients: Sequence[Client], before: Since, count: int) -> Since:
    """The list with `count` shards at its end. `before` is empty where there was no list: a new stack, or one shard so
    far. Raises UserError."""
    if before and before[-1][1] == count:
        return before
    read = [consumed(client) for client in clients]
    known = before[-1][1] if before else 1
    if before and count < known:
        raise UserError(f"clickhouseShards: {known} are deployed and {count} are set: the others' rows would be lost")
    if new := [number for number, (any_, _) in enumerate(read, 1) if any_ and number > known]:
        raise UserError(
            f"shard {new[0]} has read messages, and the stack's state does not say since when it is one: it is another "
            "stack's, or this one's state was lost; restore the state (`pulumi stack import`) from a backup of it"
        )
    if not before and not read[0][0]:
        return [[0, count]]
    for client in clients:
        drop(client, READERS)
    # Asked again now that nothing reads: the last block of each is stored.
    began = max(at for _, at in (consumed(client) for client in clients))
    return [*(before or [[0, 1]]), [began, count]]


def consumed(client: Client) -> tuple[bool, int]:
    """Whether the shard has read anything, and a time after all of it."""
    with as_user_error("the shard's ledger"):
        catch_up(client, ["ingest_ledger"])
        any_, at = client.query(render(SQL / "shards" / "consumed.sql", {"database": DATABASE})).result_rows[0]
    return bool(any_), int(at)


class ShardCountsProvider(ResourceProvider):
    """Inputs: count, shards (each an endpoint), effect. Output: since."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        return DiffResult(changes=int(olds["count"]) != int(news["count"]))

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult("shard-counts", self._run(props, []))

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(self._run(news, [[int(number) for number in entry] for entry in olds["since"]]))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult(id_, plain_props(props))

    def _run(self, props: dict[str, Any], before: Since) -> dict[str, Any]:
        with ExitStack() as opened:
            # All of them before anything is touched.
            clients = [opened.enter_context(client_of(shard)) for shard in props["shards"]]
            return {**plain_props(props), "since": grown(clients, before, int(props["count"]))}


class ShardCounts(Resource, module="postdeploy", name="ShardCounts"):
    """The list, kept in the stack's state. Nothing to delete."""

    since: pulumi.Output[Any]
    """[[Unix ms, shards], …], the oldest first."""

    def __init__(self, name: str, shards: Sequence[ClickHouseEndpoint], opts: pulumi.ResourceOptions | None = None):
        props: Mapping[str, Any] = {
            "count": len(shards),
            "shards": [clickhouse_inputs(shard) for shard in shards],
            "effect": (
                f"{len(shards)} shards: reading stops on all of them for a moment; traces that come from then on are divided "
                "anew, stored rows stay where they are, and a new shard first reads past what Kafka still holds"
            ),
            "since": None,
        }
        super().__init__(ShardCountsProvider(), name, dict(props), opts)

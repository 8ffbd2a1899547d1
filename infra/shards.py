"""The names under which all shards are asked (docs/decisions/0009-shards.md); nothing of it is used where there is one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # slow to import, and the Pulumi program, which opens no client, imports this file
    from clickhouse_connect.driver.client import Client

DATABASE = "telemetry"
"""On each shard: its own rows."""
ALL = "telemetry_all"
"""On each shard: the same names over all shards. Asked, never written to."""
CLUSTER = "shards"
"""The nodes' name for one another (configs/clickhouse/aws/config.d/60-shards.xml)."""
_OWN = re.compile(rf"(?<!INSERT INTO )\b{DATABASE}\.(?=[a-z_])")
_ASKS = re.compile(r"\s*(--[^\n]*\n\s*)*(SELECT|WITH|INSERT INTO)\b")


def named(name: str, shard: int) -> str:
    """A resource of the shard's own: the first one's is called as if there were no other."""
    return name if shard == 1 else f"{name}-shard-{shard}"


def over_all(sql: str) -> str:
    """The query, asked of all shards; what it inserts it inserts where it runs."""
    return _OWN.sub(f"{ALL}.", sql)


def everywhere_over_all(model: Any) -> Any:
    """The same for each text in a model of dashboards or alert rules."""
    if isinstance(model, str):
        return over_all(model)
    if isinstance(model, list):
        return [everywhere_over_all(item) for item in model]
    if isinstance(model, dict):
        return {key: everywhere_over_all(value) for key, value in model.items()}
    return model


def has_shards(client: Client) -> bool:
    """Whether the stack has more shards than this one."""
    found = client.query(f"SELECT count() FROM system.databases WHERE name = '{ALL}'").result_rows
    return bool(found[0][0])


def for_readers(client: Client, sql: str) -> str:
    """The query as it has to be asked on this stack."""
    return over_all(sql) if has_shards(client) else sql


class OverAll:
    """A client that asks all shards. What it inserts, and what else it does, is done on its own."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def query(self, query: str, *args: Any, **options: Any) -> Any:
        """As Client.query."""
        return self._client.query(_asked(query), *args, **options)

    def command(self, cmd: str, *args: Any, **options: Any) -> Any:
        """As Client.command."""
        return self._client.command(_asked(cmd), *args, **options)


def _asked(sql: str) -> str:
    return over_all(sql) if _ASKS.match(sql) else sql

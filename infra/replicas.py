"""What a client does where several nodes hold all data, and nothing where one does (docs/decisions/0008-replicas.md).

A node knows at once what was stored through it, and a moment later what was stored through another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from infra.templates import sql_string

if TYPE_CHECKING:  # slow to import, and the Pulumi program, which opens no client, imports this file
    from clickhouse_connect.driver.client import Client

DATABASE = "telemetry"
CATCH_UP_SECONDS = 60
"""How long a node may take to fetch what the others have. Longer is an outage: the step fails and is tried again."""
QUORUM_MS = 60_000


def is_replicated(client: Client, database: str = DATABASE) -> bool:
    """Whether the database is the same on several nodes."""
    rows = client.query(f"SELECT engine FROM system.databases WHERE name = {sql_string(database)}").result_rows
    return bool(rows) and rows[0][0] == "Replicated"


def catch_up_schema(client: Client, database: str = DATABASE) -> bool:
    """Returns when the node has every table as the last DDL on any node left it. Says whether there are several nodes."""
    replicated = is_replicated(client, database)
    if replicated:
        client.command(f"SYSTEM SYNC DATABASE REPLICA {database}", settings=_limit())
    return replicated


def catch_up(client: Client, tables: Sequence[str] = (), database: str = DATABASE) -> None:
    """Returns when the node has all rows of `tables` (without: of every table) that any node had stored before this call.

    Raises ClickHouseError when it can't, as while the only node that has a row is down: what is computed without that row
    would be wrong, and nobody would look again."""
    for table in active_replicas(client, tables, database):
        # Merges and mutations are not waited for: they change no result.
        client.command(f"SYSTEM SYNC REPLICA {database}.{table} LIGHTWEIGHT", settings=_limit())


def stored_everywhere(client: Client, table: str, database: str = DATABASE) -> dict[str, Any]:
    """Settings with which an insert returns only when every node that is up has its rows; none with a single node."""
    nodes = active_replicas(client, [table], database).get(table, 1)
    return {"insert_quorum": nodes, "insert_quorum_timeout": QUORUM_MS} if nodes > 1 else {}


def active_replicas(client: Client, tables: Sequence[str], database: str = DATABASE) -> dict[str, int]:
    """For each replicated table among `tables` (without: of all) how many of its replicas are up."""
    listed = ", ".join(sql_string(table) for table in tables)
    query = f"SELECT table, active_replicas FROM system.replicas WHERE database = {sql_string(database)}"
    rows = client.query(f"{query} AND table IN ({listed})" if tables else query).result_rows
    return dict(sorted((str(table), int(active)) for table, active in rows))


def _limit() -> dict[str, Any]:
    return {"receive_timeout": CATCH_UP_SECONDS}

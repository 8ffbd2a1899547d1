"""Which ingest statements ClickHouse was given last, kept in ClickHouse itself: for who keeps no state of an engine's.

It is the comment of an empty table, which one statement replaces: a reader sees the record of before or of after.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from infra.schema import DATABASE
from infra.templates import sql_string

if TYPE_CHECKING:  # slow to import
    from clickhouse_connect.driver.client import Client

TABLE = f"{DATABASE}.ingest_applied"


@dataclass(frozen=True)
class IngestRecord:
    """What the last run left; empty before the first."""

    files: Mapping[str, str] = field(default_factory=dict)
    """File to the hash of its rendered text; empty while a run is at work, or after one that was killed."""
    objects: Sequence[str] = ()
    """What it made, in the order to drop; while a run is at work also what it is about to make."""


def read(client: Client) -> IngestRecord:
    """The record as it is."""
    if not client.command(f"EXISTS TABLE {TABLE}"):
        return IngestRecord()
    database, _, name = TABLE.partition(".")
    query = f"SELECT comment FROM system.tables WHERE database = '{database}' AND name = '{name}'"
    return IngestRecord(**json.loads(client.query(query).result_rows[0][0]))


def write(client: Client, record: IngestRecord) -> None:
    """Replaces it."""
    comment = sql_string(json.dumps(asdict(record), sort_keys=True))
    client.command(f"CREATE TABLE IF NOT EXISTS {TABLE} (nothing UInt8) ENGINE = Null COMMENT {comment}")
    client.command(f"ALTER TABLE {TABLE} MODIFY COMMENT {comment}")

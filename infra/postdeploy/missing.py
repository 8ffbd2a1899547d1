"""What applied migrations made and ClickHouse has no more: somebody dropped it, or the disk lost it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from infra.postdeploy.migration_runner import read_record
from infra.postdeploy.migrations import Migration
from infra.postdeploy.statements import created
from infra.schema import DATABASE

if TYPE_CHECKING:  # slow to import, and the command line imports this file
    from clickhouse_connect.driver.client import Client

_DROPPED = re.compile(r"DROP\s+(?:TABLE|VIEW|DICTIONARY)\s+(?:IF\s+EXISTS\s+)?(\w+\.\w+)", re.IGNORECASE)
_RENAMED = re.compile(r"RENAME\s+(?:TABLE|DICTIONARY)\s+(\w+\.\w+)\s+TO\s+(\w+\.\w+)", re.IGNORECASE)
COMES_BACK = "a migration makes it once; what it held comes back by a restore alone: docs/operations.md#restore"


def made(migrations: Iterable[Migration]) -> dict[str, str]:
    """Every table, view and dictionary that is there after them, with its database, to the migration that made it."""
    found: dict[str, str] = {}
    for migration in migrations:
        for statement in migration.statements():
            if it := created(statement):
                found[f"{it.database}.{it.name}"] = migration.name
            elif gone := _DROPPED.match(statement):
                found.pop(gone[1], None)
            elif moved := _RENAMED.match(statement):
                found.pop(moved[1], None)
                found[moved[2]] = migration.name
    return found


def missing(client: Client, migrations: Sequence[Migration], database: str = DATABASE) -> list[str]:
    """Each as `database.name (migration)`. What is not applied yet is not missing."""
    record = read_record(client, database)
    wanted = made(item for item in migrations if item.number in record and record[item.number].finished)
    there = {f"{row[0]}.{row[1]}" for row in client.query("SELECT database, name FROM system.tables").result_rows}
    return [f"{name} ({migration})" for name, migration in wanted.items() if name not in there]

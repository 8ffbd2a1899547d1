"""Applies migrations through a ClickHouse client: statement by statement, recorded, continued where a run stopped."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from infra.clickhouse import first_line
from infra.errors import UserError
from infra.paths import SQL
from infra.postdeploy.migration_lock import Lock, locked
from infra.postdeploy.migrations import Migration
from infra.postdeploy.statements import checksum, excerpt
from infra.replicas import catch_up, catch_up_schema, stored_everywhere
from infra.templates import render

DATABASE = "telemetry"
COLUMNS = [
    "number",
    "name",
    "kind",
    "checksum",
    "statement",
    "statement_checksum",
    "finished",
    "seconds",
    "runner",
]
SYNCHRONOUS = {"mutations_sync": 2, "alter_sync": 2}
"""A statement is recorded when its effect is there, on every replica, not when it has been queued."""


@dataclass
class Applied:
    """What the record says of one migration."""

    name: str
    checksum: str = ""
    finished: bool = False
    statements: dict[int, str] = field(default_factory=dict)
    """Statement's number to the checksum of what was run."""


@dataclass(frozen=True)
class Pending:
    """A migration that is still to be run, and from where."""

    migration: Migration
    statements: list[str]
    start: int
    """How many of its statements are done."""

    @property
    def kind(self) -> str:
        return self.migration.kind

    @property
    def remaining(self) -> list[str]:
        """The statements that a run would execute."""
        return self.statements[self.start :]


Report = Callable[[str], None]


def read_record(client: Client, database: str = DATABASE) -> dict[int, Applied]:
    """The record by number; empty when ClickHouse has no record (yet, or any more)."""
    replicated = catch_up_schema(client, database)
    if not client.command(f"EXISTS TABLE {database}.schema_migrations"):
        return {}
    if replicated:
        catch_up(client, ["schema_migrations"], database)
    record: dict[int, Applied] = {}
    query = render(SQL / "postdeploy" / "ledger.sql", {"database": database})
    for number, name, file_checksum, statement, statement_checksum, finished in client.query(query).result_rows:
        entry = record.setdefault(int(number), Applied(str(name)))
        entry.name, entry.checksum = str(name), str(file_checksum)
        entry.statements[int(statement)] = str(statement_checksum)
        entry.finished = entry.finished or bool(finished)
    return record


def pending(record: dict[int, Applied], migrations: Sequence[Migration]) -> list[Pending]:
    """What is left to run, in order. Raises UserError when the record and the files contradict each other."""
    known = {migration.number: migration for migration in migrations}
    for number, applied in sorted(record.items()):
        if number not in known:
            raise UserError(
                f"ClickHouse has migration {applied.name} applied and sql/migrations has no file {number:04}: this is "
                "an older version of the program, or the file was removed; take the newer version, or restore the file"
            )
    left = [todo for migration in migrations if (todo := resume(record.get(migration.number), migration))]
    newest = max((number for number, applied in record.items() if applied.finished), default=0)
    for todo in left:
        if todo.migration.number < newest:
            raise UserError(
                f"{todo.migration.name} is not applied but {record[newest].name} is: migrations only go forward; give "
                "it the next free number"
            )
    return left


def resume(applied: Applied | None, migration: Migration) -> Pending | None:
    """What is left of one migration; None when nothing is. Raises UserError when it was edited after it was applied."""
    if applied is None:
        return Pending(migration, migration.statements(), 0)
    if applied.name != migration.name:
        raise UserError(
            f"number {migration.number:04} was applied as {applied.name} and is now {migration.name}: restore the old "
            "file and give the new one the next free number"
        )
    if applied.finished:
        if applied.checksum != migration.checksum:
            raise UserError(edited(migration.name, applied.checksum, migration.checksum))
        return None
    statements = migration.statements()
    for index, statement in enumerate(statements, start=1):
        if applied.statements.get(index) == checksum(statement):
            continue
        if index in applied.statements and applied.checksum != migration.checksum:
            raise UserError(
                f"{migration.name}.sql, statement {index} was edited after it had been applied (the run stopped later "
                "in the file): put it back, and write the change as a statement after it"
            )
        # Not run yet; or a setting in it changed since, and it is safe to repeat.
        return Pending(migration, statements, index - 1)
    # The last statement took effect, but its file got shorter since: repeating it marks the file as finished.
    return Pending(migration, statements, len(statements) - 1)


def edited(name: str, before: str, now: str) -> str:
    """The message for a migration that was changed after it was applied."""
    return (
        f"migration {name} was edited after it was applied: its checksum was {before} and is now {now}. Put the file "
        "back as it was (git log shows it) and write the change as a new migration"
    )


def plan(client: Client, migrations: Sequence[Migration], database: str = DATABASE) -> list[Pending]:
    """What `apply` would run against the live record. Changes nothing. Raises UserError as `pending` does."""
    return pending(read_record(client, database), migrations)


def apply(
    client: Client,
    migrations: Sequence[Migration],
    database: str = DATABASE,
    report: Report = lambda line: None,
) -> list[Pending]:
    """Runs what is left of `migrations`, which are all of them, and returns it. Raises UserError."""
    _ensure(client, database)
    with locked(client, database) as lock:
        todo = plan(client, migrations, database)
        for each in todo:
            _run(client, each, database, lock, report)
        return todo


def apply_one(
    client: Client, migration: Migration, database: str = DATABASE, report: Report = lambda line: None
) -> Pending | None:
    """Runs what is left of one migration whose predecessors must be finished. Raises UserError."""
    _ensure(client, database)
    with locked(client, database) as lock:
        record = read_record(client, database)
        missing = [n for n in range(1, migration.number) if n not in record or not record[n].finished]
        if missing:
            raise UserError(
                f"{migration.name} can't be applied: ClickHouse has no record of migration {missing[0]:04}, it has lost "
                "its data or is another one; `telemetry up` after a refresh (`telemetry preview --refresh`) applies all"
            )
        later = [n for n, applied in record.items() if n > migration.number and applied.finished]
        todo = resume(record.get(migration.number), migration)
        if todo and later:
            raise UserError(
                f"{migration.name} is not applied but {record[min(later)].name} is: migrations only go forward; give it "
                "the next free number"
            )
        if todo:
            _run(client, todo, database, lock, report)
        return todo


def _ensure(client: Client, database: str) -> None:
    # Where there are replicas, each node's own set-up has made it (infra/aws/clickhouse/apply/databases.py).
    client.command(f"CREATE DATABASE IF NOT EXISTS {database}")
    values = {"database": database, "replicated": catch_up_schema(client, database)}
    client.command(render(SQL / "postdeploy" / "schema_migrations.sql", values).rstrip())


def _run(client: Client, todo: Pending, database: str, lock: Lock, report: Report) -> None:
    migration, total = todo.migration, len(todo.statements)
    runner = f"{socket.gethostname()}:{os.getpid()}"
    for index, statement in enumerate(todo.remaining, start=todo.start + 1):
        lock.verify()
        report(f"{migration.name}: statement {index} of {total}: {excerpt(statement, 80)}")
        started = time.monotonic()
        try:
            client.command(statement, settings=SYNCHRONOUS)
        except ClickHouseError as error:
            raise UserError(
                f"{migration.name}.sql, statement {index} of {total}: {first_line(error)}\n"
                f"  {excerpt(statement)}\n"
                f"  Correct this statement and run again: it continues here; {index - 1} of {total} are done and recorded"
            ) from None
        seconds = round(time.monotonic() - started, 3)
        row = [
            migration.number,
            migration.name,
            migration.kind,
            migration.checksum,
            index,
            checksum(statement),
        ]
        values = [*row, index == total, seconds, runner]
        settings = stored_everywhere(client, "schema_migrations", database)
        client.insert("schema_migrations", [values], column_names=COLUMNS, database=database, settings=settings)

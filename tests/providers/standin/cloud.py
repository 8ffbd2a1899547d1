"""The cloud: what exists, in a folder that all provider processes, the control plane and the tests share.

    cloud.sqlite       resources, S3 objects, counters, what is busy
    operations.jsonl   every create, update, delete and read, with times (see operations.py)
    faults.json        failures that a test asked for (see faults.py)
    clock              seconds that "now" is ahead of the machine's clock

One folder is one account in one region.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = "STANDIN_CLOUD"
ACCOUNT = "111122223333"
PARTITION = "aws"
TABLES = Path(__file__).with_name("cloud.sql")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class Refused(Exception):
    """AWS says no: its error code and its words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass
class Resource:
    """One thing that exists. `outputs` holds the inputs too, as a resource's state does."""

    type: str
    id: str
    urn: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    state: str = "live"
    """`scheduled`: deleted, but its name stays taken (a secret in its recovery window, a KMS key that waits)."""

    def get(self, path: str, default: Any = None) -> Any:
        """The state's value at a dotted path."""
        value: Any = self.outputs
        for step in path.split("."):
            if not isinstance(value, Mapping) or step not in value:
                return default
            value = value[step]
        return default if value is None else value

    @property
    def arn(self) -> str:
        return self.get("arn", self.id)


class Cloud:
    """The state, opened by any number of threads and processes at once."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._local = threading.local()
        with self.transaction() as connection:
            for statement in TABLES.read_text().split(";"):
                connection.execute(statement)

    @classmethod
    def from_environment(cls) -> Cloud:
        """The cloud that the environment names; without the variable a provider can't start."""
        folder = os.environ.get(FOLDER)
        if not folder:
            raise SystemExit(f"{FOLDER} is not set: start a cloud by tests.providers.cloud.standin_cloud")
        return cls(Path(folder))

    def _connection(self) -> sqlite3.Connection:
        found = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self.folder / "cloud.sqlite", timeout=30, isolation_level=None)
            found.execute("PRAGMA journal_mode = WAL")
            found.execute("PRAGMA synchronous = OFF")
            self._local.connection = found
            self._local.depth = 0
        return found

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One at a time over all processes; undone when the block raises. May be nested."""
        connection = self._connection()
        outermost = self._local.depth == 0
        if outermost:
            connection.execute("BEGIN IMMEDIATE")
        self._local.depth += 1
        try:
            yield connection
        except BaseException:
            if outermost:
                connection.execute("ROLLBACK")
            raise
        else:
            if outermost:
                connection.execute("COMMIT")
        finally:
            self._local.depth -= 1

    # Resources

    def _rows(self, where: str, *values: Any) -> list[Resource]:
        rows = self._connection().execute(f"SELECT type, id, urn, state, inputs, outputs FROM resource {where}", values)
        return [Resource(kind, key, urn, json.loads(i), json.loads(o), state) for kind, key, urn, state, i, o in rows]

    def all(self, *types: str, state: str = "live") -> list[Resource]:
        """What exists of these types, or at all."""
        marks = ", ".join("?" * len(types))
        wanted = f"AND type IN ({marks})" if types else ""
        return self._rows(f"WHERE state = ? {wanted} ORDER BY made", state, *types)

    def get(self, type_: str, id_: str) -> Resource | None:
        return next(iter(self._rows("WHERE type = ? AND id = ? AND state = 'live'", type_, id_)), None)

    def find(self, types: str | Iterable[str], path: str, value: Any) -> Resource | None:
        """The resource whose state has this value at the path; path `id` is the id."""
        wanted = [types] if isinstance(types, str) else list(types)
        found = self.mentioning(str(value), *wanted)
        return next((item for item in found if value == (item.id if path == "id" else item.get(path))), None)

    def mentioning(self, text: str, *types: str, state: str = "live") -> list[Resource]:
        """What has this text somewhere in its state or as its id: few enough to be looked at one by one."""
        marks = ", ".join("?" * len(types))
        wanted = f"AND type IN ({marks})" if types else ""
        quoted = json.dumps(text)[1:-1]
        return self._rows(
            f"WHERE state = ? AND (id = ? OR instr(outputs, ?)) {wanted} ORDER BY made", state, text, quoted, *types
        )

    def put(self, resource: Resource) -> Resource:
        """Writes a resource as it is: a provider's own way, and a test's to seed the cloud or to inject drift."""
        row = (resource.type, resource.id, resource.urn, resource.state, time.time_ns())
        documents = (json.dumps(resource.inputs), json.dumps(resource.outputs))
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO resource (type, id, urn, state, made, inputs, outputs) VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET state = excluded.state, inputs = excluded.inputs, outputs = excluded.outputs",
                row + documents,
            )
        return resource

    def change(self, type_: str, id_: str, **outputs: Any) -> Resource:
        """Drift: someone changed these values by hand."""
        found = self.get(type_, id_)
        if found is None:
            raise KeyError(f"{type_} {id_}")
        for key, value in outputs.items():
            found.outputs[key] = value
            if key in found.inputs:
                found.inputs[key] = value
        return self.put(found)

    def remove(self, type_: str, id_: str) -> None:
        """Gone, whoever did it."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM resource WHERE type = ? AND id = ?", (type_, id_))

    # Counters and what is busy

    def next(self, name: str) -> int:
        """1, 2, 3 … by name, over all processes."""
        with self.transaction() as connection:
            row = connection.execute("SELECT value FROM counter WHERE name = ?", (name,)).fetchone()
            value = (row[0] if row else 0) + 1
            connection.execute(
                "INSERT INTO counter VALUES (?, ?) ON CONFLICT DO UPDATE SET value = ?", (name, value, value)
            )
        return value

    @contextmanager
    def busy(self, key: str, refusal: Refused) -> Iterator[None]:
        """Holds a thing that takes one operation at a time; a second one is refused, as AWS does, not queued."""
        with self.transaction() as connection:
            row = connection.execute("SELECT pid FROM busy WHERE key = ?", (key,)).fetchone()
            if row and _alive(row[0]):
                raise refusal
            connection.execute("INSERT OR REPLACE INTO busy VALUES (?, ?)", (key, os.getpid()))
        try:
            yield
        finally:
            with self.transaction() as connection:
                connection.execute("DELETE FROM busy WHERE key = ?", (key,))

    # The clock

    def now(self) -> float:
        """Seconds since 1970, moved by `advance`."""
        clock = self.folder / "clock"
        return time.time() + (float(clock.read_text()) if clock.exists() else 0)

    def advance(self, *, days: float = 0, hours: float = 0) -> None:
        """Moves the clock that certificates see."""
        ahead = self.now() - time.time() + days * 86400 + hours * 3600
        (self.folder / "clock").write_text(str(ahead))

"""The operation log: one JSON line an operation, by which tests see order, overlap and what changed.

Fields: op (create, update, delete, read, invoke), type, urn, name, id, began, ended (Unix seconds), changed (paths; updates
only), error (what was refused or failed, else absent), unlisted (the type or input has no line in the data files).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "operations.jsonl"


@dataclass(frozen=True)
class Operation:
    """One line."""

    op: str
    type: str
    urn: str
    id: str
    began: float
    ended: float
    changed: tuple[str, ...] = ()
    error: str | None = None
    unlisted: bool = False

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rsplit("::", 1)[-1]

    def overlaps(self, other: Operation) -> bool:
        """Whether both were under way at the same time."""
        return self.began < other.ended and other.began < self.ended


def write(folder: Path, record: dict[str, Any]) -> None:
    """Appends one line; a single write, so that lines of several processes don't mix."""
    line = json.dumps({"name": str(record.get("urn", "")).rsplit("::", 1)[-1], **record}) + "\n"
    handle = os.open(folder / FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def read(folder: Path) -> list[Operation]:
    """All lines, in the order in which the operations ended."""
    path = folder / FILE
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        record = json.loads(line)
        record.pop("name", None)
        record["changed"] = tuple(record.get("changed", ()))
        found.append(Operation(**record))
    return found

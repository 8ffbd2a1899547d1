"""Failures on request: a test writes faults.json into the cloud's folder, a provider fails once for each entry.

An entry: `op` (create, update, delete, read; deploy for the rollout of an ECS service), optionally `type` (all types else), `urn` (a part of it), `nth` (counts the
matching operations from now on; default 1), `how`:
    before   the call fails and nothing has happened (default)
    after    the thing was made or changed, but never became ready: the engine keeps it in state as failed to initialise
    lost     the thing was made or changed, and the answer never arrived: the state knows nothing of it
A `deploy` entry makes a service's next rollout fail: its circuit breaker rolls back, and the update reports success.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FILE = "faults.json"


@contextmanager
def _entries(folder: Path) -> Iterator[list[dict[str, Any]]]:
    """The entries, under a lock; written back when the block changed them."""
    with (folder / "faults.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = folder / FILE
        entries = json.loads(path.read_text()) if path.exists() else []
        before = json.dumps(entries)
        yield entries
        if json.dumps(entries) != before:
            path.write_text(json.dumps(entries, indent=1))


def ask(folder: Path, op: str, **entry: Any) -> None:
    """Adds an entry."""
    with _entries(folder) as entries:
        entries.append({"op": op, "nth": 1, "how": "before", "seen": 0, "done": False, **entry})


def due(folder: Path, op: str, type_: str, urn: str) -> dict[str, Any] | None:
    """The failure that this operation has to suffer, if any."""
    if not (folder / FILE).exists():
        return None
    with _entries(folder) as entries:
        hit = None
        for entry in entries:
            fits = entry.get("type") in (None, type_) and entry.get("urn", "") in urn
            if entry["op"] != op or entry.get("done") or not fits:
                continue
            entry["seen"] = entry.get("seen", 0) + 1
            if entry["seen"] == entry.get("nth", 1) and hit is None:
                entry["done"] = True
                hit = entry
        return hit


def pending(folder: Path) -> list[dict[str, Any]]:
    """The entries that nothing has met yet."""
    with _entries(folder) as entries:
        return [entry for entry in entries if not entry.get("done")]

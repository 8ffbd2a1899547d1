"""Ephemeral stacks on this machine: a whole second pipeline each, with a folder below .telemetry and ports of its own."""

from __future__ import annotations

import fcntl
import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pulumi import automation

from infra.automation import open_stack, remove_stack, state_file
from infra.config import PROJECT, stack_file, stack_file_content
from infra.ephemeral.account import CRYPTO, Known, removed_if_idle
from infra.ephemeral.record import Record, record
from infra.ephemeral.standing import ENTRIES, work
from infra.errors import UserError
from infra.local.toolchain import Toolchain
from infra.paths import ROOT, STACKS, stack_folder
from infra.settings import PORTS

FIRST_PORT, LAST_PORT, STEP = 20000, 32000, 100
"""Below what systems hand out by themselves (Linux: from 32768 on)."""


def all_here(toolchain: Toolchain) -> list[Known]:
    """The ephemeral stacks of this checkout."""
    folders = sorted(path for path in STACKS.glob("*") if path.is_dir()) if STACKS.exists() else []
    # The engine is only asked of those that have tags at all.
    marked = [path.name for path in folders if state_file(path.name).with_suffix(".pulumi-tags").exists()]
    found = [known for name in marked if (known := find_here(name, toolchain))]
    return [known for known in found if known.record]


def find_here(name: str, toolchain: Toolchain) -> Known | None:
    """The stack of this name, ephemeral or not."""
    path = state_file(name)
    if not path.exists():
        return None
    tags = open_stack(name, toolchain).list_tags()
    try:
        resources = json.loads(path.read_text())["checkpoint"]["latest"]["resources"] or []
    except (OSError, KeyError, TypeError, ValueError):
        resources = []
    return Known(name, record(tags), len(resources), work(tags))


def mark_here(name: str, found: Record, toolchain: Toolchain) -> automation.Workspace:
    """Writes the record; makes the stack when it is not there yet. Returns where more is written."""
    stack = open_stack(name, toolchain)
    known = stack.list_tags()
    for key, value in found.tags().items():
        if known.get(key) != value:
            stack.set_tag(key, value)
    return stack.workspace


def history_here(name: str, toolchain: Toolchain) -> list[dict[str, Any]]:
    """The engine's, newest first."""
    found = open_stack(name, toolchain).history(ENTRIES, show_secrets=False)
    return [{"kind": item.kind, "result": item.result, "startTime": item.start_time.isoformat()} for item in found]


def take_back_here(name: str, toolchain: Toolchain) -> bool:
    """Removes a stack that this command has made and that nothing has come of: not one that has resources, or that another
    command has in hand. Returns whether there is none now. Raises UserError."""
    known = find_here(name, toolchain)
    if known is not None:
        stack = open_stack(name, toolchain)
        if not known.nothing_made or not removed_if_idle(name, lambda: remove_stack(stack, name)):
            return False
    shutil.rmtree(stack_folder(name), ignore_errors=True)
    return True


def crypto_here(name: str) -> dict[str, str]:
    """What the engine has written into the stack's file."""
    path = ROOT / stack_file(name)
    return {key: value for key, value in stack_file_content(path).items() if key in CRYPTO} if path.exists() else {}


@contextmanager
def ports_held() -> Iterator[None]:
    """While one command looks for free ports and writes them into its stack's file, no other one does."""
    STACKS.mkdir(parents=True, exist_ok=True)
    with (STACKS / "ports.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def port_base(name: str, is_up: bool) -> int:
    """The stack's own, where it is up; else the first whose ports are free and no other stack's. Raises UserError."""
    path, taken = ROOT / stack_file(name), set[int]()
    for other in ROOT.glob(stack_file("*")):
        base = (stack_file_content(other).get("config") or {}).get(f"{PROJECT}:portBase", 0)
        if other != path:
            taken.add(int(base))
        elif is_up and base:
            return int(base)
    for base in range(FIRST_PORT, LAST_PORT, STEP):
        if base not in taken and all(_free(base + offset) for _, offset in PORTS.values()):
            return base
    raise UserError(
        f"no free range of {STEP} ports from {FIRST_PORT} to {LAST_PORT}: `telemetry ephemeral list`, then `down`"
    )


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

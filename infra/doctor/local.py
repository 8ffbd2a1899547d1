"""Checks of a stack on this machine: ports, disk, memory, what runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from infra.config import PROJECT
from infra.doctor.check import Check, Result, beside_the_point, fail, ok, warn
from infra.local.layout import run_folder
from infra.local.supervisor import Control, daemon_pid
from infra.paths import ROOT, STACKS, stack_folder
from infra.settings import PORTS, Settings

GIB, MIB = 2**30, 2**20
LEAST_GIB, ENOUGH_GIB = 1.0, 5.0
PARTS_MIB = 1_200
"""What the parts beside the broker's heap take: the engine, the collector, the worker, the page, the broker's own rest."""


def checks(name: str, settings: Settings) -> Iterator[Check]:
    """All of them."""
    yield Check("parts", partial(parts, name))
    yield Check("ports", partial(ports, name, settings))
    yield Check("disk", disk)
    yield Check("memory", partial(memory, name, settings))
    yield Check("last up", partial(last_up, name))


def parts(name: str) -> Result:
    """Whether everything runs."""
    control = Control(run_folder(name))
    if not control.alive():
        return beside_the_point(f"the stack is not up; `telemetry up --name {name}` starts it")
    processes = control.processes()
    down = [part for part, info in sorted(processes.items()) if info["statename"] != "RUNNING"]
    if down:
        return fail(f"not running: {', '.join(down)}", f"`telemetry logs --name {name}` says why; an `up` heals")
    return ok(f"{len(processes)} run")


def ports(name: str, settings: Settings) -> Result:
    """Whether an `up` can open its ports, or has."""
    from infra.local.ports import OTHER_STACK, port_holder

    numbers = {key: int(getattr(settings, key)) for key in PORTS}
    if Control(run_folder(name)).alive():
        if taken := strangers(name, numbers):
            return fail(f"taken: {'; '.join(taken)}", f"end that process, then `telemetry up --name {name}`")
        return ok(f"{min(numbers.values())} to {max(numbers.values())}: the stack's own")
    taken = [f"{port} (setting {key}) by {who}" for key, port in numbers.items() if (who := port_holder(port))]
    if taken:
        return fail(f"taken: {'; '.join(taken)}", f"end that process, or use other ports: {OTHER_STACK}")
    return ok(f"{len(numbers)} are free ({', '.join(map(str, sorted(numbers.values())))})")


def strangers(name: str, numbers: Mapping[str, int]) -> list[str]:
    """Who holds ports of a stack that is up and is no part of it: the part whose port it is can't start then."""
    import psutil

    daemon = daemon_pid(run_folder(name))
    own = {child.pid for child in psutil.Process(daemon).children(recursive=True)} if daemon else set[int]()
    keys = {port: key for key, port in numbers.items()}
    taken: list[str] = []
    for found in psutil.net_connections("tcp"):
        port = found.laddr.port if found.laddr else 0
        if found.status == psutil.CONN_LISTEN and port in keys and found.pid and found.pid not in own:
            taken.append(f"{port} (setting {keys[port]}) by {psutil.Process(found.pid).name()} (pid {found.pid})")
    return taken


def disk(where: Path = STACKS) -> Result:
    """Room for the stacks' data."""
    folder = next(parent for parent in (where, *where.parents) if parent.exists())
    free = shutil.disk_usage(folder).free / GIB
    found = f"{free:.1f} GiB free for {where.relative_to(ROOT) if where.is_relative_to(ROOT) else where}"
    hint = "free some space, or shorten retentionRawDays"
    if free < LEAST_GIB:
        return fail(found, hint)
    return warn(found, hint) if free < ENOUGH_GIB else ok(found)


def memory(name: str, settings: Settings) -> Result:
    """Room for the parts."""
    import psutil

    if Control(run_folder(name)).alive():
        return ok(f"{psutil.virtual_memory().available / GIB:.1f} GiB available; the stack has its own already")
    available = psutil.virtual_memory().available / MIB
    needed = settings.kafkaHeapMiB + PARTS_MIB
    found = f"{available / 1024:.1f} GiB available, the parts take about {needed / 1024:.1f} GiB"
    if available < needed:
        return fail(found, "end what takes it, or lower kafkaHeapMiB")
    return ok(found)


def last_up(name: str) -> Result:
    """Whether the last `up` got to its end, by the state's own record; nothing is asked."""
    folder = stack_folder(name) / "state" / ".pulumi"
    records = sorted((folder / "history" / PROJECT / name).glob("*.history.json"))
    if not records:
        return beside_the_point("there was none")
    state = json.loads((folder / "stacks" / PROJECT / f"{name}.json").read_text())["checkpoint"]["latest"]
    if pending := (state or {}).get("pending_operations"):
        return warn(f"{len(pending)} operations were cut off", f"`telemetry up --name {name}` continues")
    found = json.loads(records[-1].read_text())
    if found["result"] != "succeeded":
        return warn(f"{found['kind']}: {found['result']}", f"`telemetry up --name {name}` continues")
    return ok(f"{found['kind']}: {found['result']}")

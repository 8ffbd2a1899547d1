"""The commands that look: status and logs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from infra.cli.console import Name, console
from infra.cli.local import stack_platform
from infra.cli.worker_results import print_worker
from infra.errors import UserError
from infra.local.layout import run_folder

LOG_POLL_SECONDS = 0.2


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    app.command()(status)
    app.command()(logs)


def status(name: Name = "local") -> None:
    """Shows each part (whether it runs; here: since when, its memory) and what the worker found last."""
    if stack_platform(name) == "local":
        _status_here(name)
    else:
        from infra.cli.watch_aws import status_on_aws

        status_on_aws(name)


def _status_here(name: str) -> None:
    import psutil

    from infra.local.supervisor import Control

    control = Control(run_folder(name))
    if not control.alive():
        raise UserError(f"the stack {name} is not up; `telemetry up --name {name}` starts it")
    table = Table("part", "state", "pid", "up for", "memory")
    down = []
    for part, info in sorted(control.processes().items()):
        running = info["statename"] == "RUNNING"
        seconds = max(0, info["now"] - info["start"]) if running else 0
        memory = f"{psutil.Process(info['pid']).memory_info().rss / 2**20:.0f} MiB" if running else ""
        table.add_row(part, info["statename"], str(info["pid"] or ""), f"{seconds} s" if running else "", memory)
        if not running:
            down.append(part)
    console.print(table)
    print_worker(name)
    if down:
        raise UserError(f"{', '.join(down)}: not running; `telemetry logs` says why, `telemetry up` heals")


def _log_files(name: str, part: str | None) -> list[Path]:
    files = sorted(run_folder(name).glob(f"{part or '*'}.log"))
    if not files:
        raise UserError(f"no logs in {run_folder(name)}: {f'no part is called {part}' if part else 'nothing is up'}")
    return files


def _follow(files: list[Path], tail: int) -> Iterator[tuple[str, str]]:
    opened = {}
    for path in files:
        lines = path.read_text(errors="replace").splitlines()
        yield from ((path.stem, line) for line in lines[-tail:] if tail)
        stream = path.open(errors="replace")
        stream.seek(0, 2)
        opened[path] = stream
    while True:
        quiet = True
        for path, stream in list(opened.items()):
            for line in stream:
                quiet = False
                yield path.stem, line.rstrip("\n")
            if path.exists() and path.stat().st_ino != Path(f"/proc/self/fd/{stream.fileno()}").stat().st_ino:
                opened[path] = path.open(errors="replace")  # rotated by supervisor
        if quiet:
            time.sleep(LOG_POLL_SECONDS)


def logs(
    name: Name = "local",
    part: Annotated[str | None, typer.Option(help="Only this part.")] = None,
    tail: Annotated[int, typer.Option(help="Lines of each part to begin with.")] = 10,
    follow: Annotated[bool, typer.Option(help="Go on until Ctrl-C.")] = True,
) -> None:
    """Follows the logs of all parts. On AWS: names the log groups in CloudWatch."""
    if stack_platform(name) != "local":
        from infra.cli.watch_aws import log_groups

        log_groups(name, part)
        return
    files = _log_files(name, part)
    width = max(len(path.stem) for path in files)
    if not follow:
        for path in files:
            for line in path.read_text(errors="replace").splitlines()[-tail:]:
                print(f"{path.stem:{width}} | {line}")
        return
    for stem, line in _follow(files, tail):
        print(f"{stem:{width}} | {line}", flush=True)

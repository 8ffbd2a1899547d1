"""The commands that look: status and logs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from infra.cli.console import Json, Name, console, emit, quiet_progress, say, show, table_of, working
from infra.cli.local import check_known, stack_platform
from infra.cli.parts import Parts, parts_here
from infra.cli.pipeline_now import Now, Watched, lines
from infra.cli.worker_results import worker_table
from infra.errors import UserError
from infra.local.layout import run_folder

LOG_POLL_SECONDS = 0.2


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    app.command()(status)
    app.command()(logs)


def status(
    name: Name = "local",
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Look again and again until Ctrl-C (piped: once).")
    ] = False,
    seconds: Annotated[float, typer.Option(min=1, help="Between two looks of --watch.")] = 5.0,
    as_json: Json = False,
) -> None:
    """Shows each part, what the pipeline does now (lag, delay, rows, disks, alerts, budgets) and what the worker found
    last. Exit code 1 when a part does not run or can't be asked, ClickHouse too, and when the stack is not up."""
    stack = Watched(name)
    try:
        if watch and console.is_terminal and not as_json:
            _watch(stack, seconds)
            return
        seen = _look(stack)
    finally:
        stack.close()
    if as_json:
        emit(seen.as_json())
    else:
        for table in seen.tables():
            show(table)
    if wrong := seen.wrong():
        raise UserError("\n".join(wrong))


@dataclass(frozen=True)
class _Seen:
    """One look at a stack."""

    name: str
    parts: Parts
    now: Now | None
    worker: list[dict[str, Any]]
    problem: str
    """Why the pipeline can't be seen; '' when it can."""

    def as_json(self) -> dict[str, Any]:
        parts = {"parts": self.parts.rows, "down": self.parts.down, "unseen": self.parts.unseen}
        pipeline = self.now.as_json() if self.now else None
        return {"stack": self.name, **parts, "worker": self.worker, "pipeline": pipeline, "problem": self.problem}

    def wrong(self) -> list[str]:
        """Why the stack is not known to be well; nothing when it is."""
        found: list[str] = []
        if self.parts.down:
            hint = f"; `telemetry up --name {self.name}` heals" if stack_platform(self.name) == "local" else ""
            said = f"not running as wanted; `telemetry logs --name {self.name}` says why{hint}"
            found.append(f"{', '.join(self.parts.down)}: {said}")
        if self.parts.unseen:
            found.append(f"{', '.join(self.parts.unseen)}: can't be asked from here, and may run")
        if self.problem:
            found.append(f"the pipeline can't be seen: {self.problem}")
        return found

    def tables(self) -> list[RenderableType]:
        found: list[RenderableType] = [self.parts.table(), ""]
        if self.now:
            table = table_of("pipeline", "now", fold=("pipeline", "now"))
            for what, said, style in lines(self.now):
                table.add_row(what, Text(said, style))
            found += [table, "", worker_table(self.worker)]
        return found


def _look(stack: Watched) -> _Seen:
    with working(f"looking at {stack.name}"):
        if stack_platform(stack.name) == "local":
            parts = parts_here(stack.name)
        else:
            from infra.cli.watch_aws import parts_on_aws

            parts = parts_on_aws(stack.name)
    from infra.clickhouse import as_user_error
    from infra.worker.results import latest

    try:
        client = stack.client()
        with working("asking ClickHouse"), as_user_error("the worker's results"):
            return _Seen(stack.name, parts, stack.now(), latest(client), "")
    except UserError as error:
        return _Seen(stack.name, parts, None, [], str(error))


def _watch(stack: Watched, seconds: float) -> None:
    """Until Ctrl-C."""
    from rich.console import Group
    from rich.live import Live

    seen = _look(stack)
    with quiet_progress(), suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False) as live:
        while True:
            at = Text(f"{stack.name} at {datetime.now(UTC):%H:%M:%S} UTC, every {seconds:g} s; Ctrl-C ends", "dim")
            wrong = [Text(line, "red") for line in seen.wrong()]
            live.update(Group(*seen.tables(), *wrong, "", at), refresh=True)
            time.sleep(seconds)
            seen = _look(stack)


def _log_files(name: str, part: str | None) -> list[Path]:
    files = sorted(run_folder(name).glob(f"{part or '*'}.log"))
    if not files:
        check_known(name)
        raise UserError(f"no logs in {run_folder(name)}: {f'no part is called {part}' if part else 'nothing is up'}")
    return files


def _last(path: Path, tail: int) -> list[str]:
    lines = path.read_text(errors="replace").splitlines()
    return lines[max(0, len(lines) - tail) :]


def _follow(files: list[Path], tail: int) -> Iterator[tuple[str, str]]:
    opened = {}
    for path in files:
        yield from ((path.stem, line) for line in _last(path, tail))
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
    tail: Annotated[int, typer.Option(min=0, help="Lines of each part to begin with.")] = 10,
    follow: Annotated[bool, typer.Option(help="Go on until Ctrl-C.")] = True,
) -> None:
    """Follows the logs of all parts. On AWS: names the log groups in CloudWatch."""
    if stack_platform(name) != "local":
        from infra.cli.watch_aws import log_groups

        say("The logs are not here; these follow them:")
        for line in log_groups(name, part):
            say(f"  {line}")
        return
    files = _log_files(name, part)
    width = max(len(path.stem) for path in files)
    if not follow:
        for path in files:
            for line in _last(path, tail):
                print(f"{path.stem:{width}} | {line}")
        return
    for stem, line in _follow(files, tail):
        print(f"{stem:{width}} | {line}", flush=True)

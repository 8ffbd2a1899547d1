"""The terminal: one console for results, one for errors and progress, what `--json` does, and the options that commands
share."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, RenderableType

from infra.errors import UserError

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

WIDE = 1_000
"""Columns of what is piped: a line there is cut or folded by nobody."""


def _results() -> Console:
    made = Console()
    if not made.is_terminal:
        made.width = WIDE
    return made


console = _results()
"""A command's results; with `--json` what it says on its way, on stderr."""
error_console = Console(stderr=True)


def quiet_readers() -> None:
    """Keeps one traceback from people who press ^C: Pulumi's SDK reads the engine's output in a thread, and then closes that
    output while the thread waits for it."""

    def hook(args: threading.ExceptHookArgs) -> None:
        if not (args.exc_type is ValueError and "closed file" in str(args.exc_value)):
            threading.__excepthook__(args)

    threading.excepthook = hook


"""Errors, notes and progress."""


def check_name(name: str | None) -> str | None:
    """Raises UserError for what can't be a stack's name, before it is taken for a file's or a folder's."""
    from infra.settings.names import name_problems

    for problem in name_problems(name, "local") if name is not None else []:
        raise UserError(problem)
    return name


Name = Annotated[str, typer.Option("--name", "-n", callback=check_name, help="The stack's name.")]


class _Said:
    """What the terminal is in."""

    wanted = False
    """The result is to be JSON."""
    done = False
    """It has been printed."""
    something_live = False
    """Something live is being shown."""


def _choose_json(wanted: bool) -> bool:
    _Said.wanted, _Said.done = wanted, False
    console.stderr = wanted
    return wanted


Json = Annotated[
    bool, typer.Option("--json", callback=_choose_json, help="The result as JSON on stdout, all else on stderr.")
]


def emit(result: Any) -> None:
    """Prints the command's result: the one JSON document on stdout."""
    _Said.done = True
    print(json.dumps(result, indent=1, ensure_ascii=False, default=_plain), flush=True)


def emit_error(message: str) -> None:
    """With `--json` says the error there as well, unless the command has printed its result before it failed."""
    if _Said.wanted and not _Said.done:
        emit({"error": message})


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return float(value) if hasattr(value, "as_tuple") else str(value)  # a Decimal is a number


def show(what: RenderableType) -> None:
    """Prints a table or the like; piped without the blanks that would fill its lines."""
    if console.is_terminal:
        console.print(what, highlight=False)
        return
    with console.capture() as captured:
        console.print(what, highlight=False)
    for line in captured.get().splitlines():
        print(line.rstrip(), file=console.file)


def table_of(*columns: str, fold: Collection[str] = (), right: Collection[str] = (), title: str = "") -> Table:
    """A table that is readable at 80 columns: what stands in the columns `fold` is folded, the others keep their width."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=title or None, title_justify="left", header_style="bold")
    for column in columns:
        folded = column in fold
        table.add_column(column, no_wrap=not folded, overflow="fold", justify="right" if column in right else "left")
    return table


def say(line: str, style: str | None = None) -> None:
    """Prints one line as it stands, not folded."""
    console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)


def check_yes(yes: bool, works: str, look: str) -> None:
    """Raises UserError unless --yes was said. `works`: what may still do something to the state; `look`: how one finds out."""
    if not yes:
        raise UserError(
            f"whether {works}, on another machine, can't be seen from here. Two at once can ruin the state: {look}, then say --yes"
        )


@contextmanager
def working(what: str) -> Iterator[None]:
    """Says on a terminal that this is being done; nothing when stderr is piped."""
    shown = error_console.is_terminal and not _Said.something_live
    with error_console.status(what) if shown else nullcontext():
        yield


@contextmanager
def quiet_progress() -> Iterator[None]:
    """Nothing says what is being done while this lasts: the terminal shows something live already."""
    _Said.something_live = True
    try:
        yield
    finally:
        _Said.something_live = False


def progress_bars() -> Progress:
    """Bars with how far, how much and how long, on a terminal; nothing when stderr is piped."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=error_console, disable=not error_console.is_terminal, transient=True)

"""What the commands that drive the engine share: the stack opened where its platform keeps it, and the engine's display."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from infra.cli.console import console, error_console, say, show, table_of
from infra.cli.engine_output import OutputFilter
from infra.paths import stack_folder

if TYPE_CHECKING:  # a second of imports, and most commands drive no engine
    from pulumi import automation

    from infra.local.toolchain import Toolchain

CLEAR = "\r\x1b[2K"
HIDDEN_OUTPUTS = ("access", "clickhouseCa")
"""For programs: too long for a table."""


def engine(platform: str) -> Toolchain:
    """The engine; a local stack's parts as well. Built first where they are missing."""
    from infra.local.toolchain import ALL, ensure

    return ensure(ALL if platform == "local" else ["pulumi"], console=error_console)


def open_stack(name: str, platform: str, create: bool = False) -> automation.Stack:
    """The stack, where its platform keeps it. `create`: also when it is not in the user's backend yet; a local one is
    made in any case. Raises UserError."""
    if platform == "local":
        from infra.automation import open_stack

        return open_stack(name, engine(platform))
    from infra.backend import check_backend, open_stack

    check_backend(name)  # before an engine is built for minutes
    return open_stack(name, engine(platform), create)


@contextmanager
def explained(name: str, platform: str, preview: bool = False) -> Iterator[None]:
    """The engine's failure as a message. Raises UserError."""
    from pulumi import automation

    from infra.automation import explain

    try:
        yield
    except automation.CommandError as error:
        raise explain(error, shared="" if platform == "local" else name, preview=preview) from None


@contextmanager
def opened_for_a_look(name: str, platform: str) -> Iterator[automation.Stack]:
    """The stack; one that does not exist is made for the preview and leaves nothing behind."""
    if platform == "local":
        fresh = not stack_folder(name).exists()
        try:
            yield open_stack(name, platform)
        finally:
            if fresh:
                shutil.rmtree(stack_folder(name), ignore_errors=True)
        return
    from infra.backend import check_backend, find_stack, forgotten_afterwards

    check_backend(name)
    tools = engine(platform)
    if stack := find_stack(name, tools):
        yield stack
        return
    with forgotten_afterwards(name, tools) as made:
        yield made


def display(all_lines: bool = False) -> dict[str, Any]:
    """How every engine command shows what it does: its own lines, as they come; of what does not change only with
    `all_lines` (--diff)."""
    looked = _Looked()
    return {
        "color": "always" if console.is_terminal else "never",
        "suppress_progress": True,
        "on_output": OutputFilter(looked.write, None if all_lines else looked.at_one_more),
    }


class _Looked:
    """Says on a terminal that resources are being looked at, in a line that the next one overwrites."""

    def __init__(self) -> None:
        self._count = 0
        self._open = False

    def write(self, line: str) -> None:
        """Prints a line of the engine's."""
        if self._open:
            self._open = False
            error_console.file.write(CLEAR)
            error_console.file.flush()
        print(line, file=console.file, flush=True)

    def at_one_more(self) -> None:
        """A resource that stays as it is."""
        self._count += 1
        if error_console.is_terminal:
            self._open = True
            error_console.file.write(f"{CLEAR}looking at what is there {'.' * (self._count // 8 % 20)}")
            error_console.file.flush()


def print_endpoints(name: str, outputs: automation.OutputMap, seconds: float) -> None:
    """The outputs as a table; secret ones without their value."""
    from rich.text import Text

    from infra.backend import SECRET

    table = table_of("output", "value", fold=("value",), title=f"{name}: up in {seconds:.1f} s")
    for key, output in outputs.items():
        if key not in HIDDEN_OUTPUTS:
            table.add_row(key, Text(SECRET if output.secret else _shown(output.value)))
    show(table)
    if page := outputs.get("dashboards"):
        say(f"See it live: {page.value}", style="bold")


def plain_outputs(outputs: automation.OutputMap) -> dict[str, Any]:
    """The outputs as JSON; secret ones without their value."""
    from infra.backend import SECRET

    return {key: SECRET if output.secret else output.value for key, output in outputs.items()}


class Counted:
    """What an engine command did, or would do, as its events say."""

    def __init__(self) -> None:
        self.changes: dict[str, int] = {}
        """How many resources, by what becomes of them (same, create, update, replace, delete)."""

    def take(self, event: automation.EngineEvent) -> None:
        """Looks at one engine event."""
        if event.summary_event:
            self.changes = {str(getattr(op, "value", op)): n for op, n in event.summary_event.resource_changes.items()}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {item}" for key, item in value.items())
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)

"""What the commands that drive the engine share: the stack opened where its platform keeps it, and the engine's display."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.cli.console import console
from infra.cli.engine_output import OutputFilter

if TYPE_CHECKING:  # a second of imports, and most commands drive no engine
    from pulumi import automation

    from infra.local.toolchain import Toolchain

HIDDEN_OUTPUTS = ("access", "clickhouseCa")
"""For programs: too long for a table."""


def engine(platform: str) -> Toolchain:
    """The engine; a local stack's parts as well. Built first where they are missing."""
    from infra.local.toolchain import ALL, ensure

    return ensure(ALL if platform == "local" else ["pulumi"], console=console)


def open_stack(name: str, platform: str, create: bool = False) -> automation.Stack:
    """The stack, where its platform keeps it. `create`: also when it is not in the user's backend yet; a local one is
    made in any case. Raises UserError."""
    if platform == "local":
        from infra.automation import open_stack

        return open_stack(name, engine(platform))
    from infra.backend import check_backend, open_stack

    check_backend(name)  # before an engine is built for minutes
    return open_stack(name, engine(platform), create)


def display() -> dict[str, Any]:
    """How every engine command shows what it does: its own lines, as they come."""
    return {
        "color": "always" if console.is_terminal else "never",
        "suppress_progress": True,
        "on_output": OutputFilter(lambda line: print(line, flush=True)),
    }


def print_endpoints(name: str, stack: automation.Stack, seconds: float) -> None:
    """The outputs as a table; secret ones without their value."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{name}: up in {seconds:.1f} s", title_justify="left", show_header=False)
    outputs = stack.outputs()
    for key, output in outputs.items():
        if key not in HIDDEN_OUTPUTS:
            table.add_row(key, Text("[secret]" if output.secret else _shown(output.value)))
    console.print(table)
    if page := outputs.get("dashboards"):
        console.print(f"See it live: [bold]{page.value}[/]", highlight=False)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {item}" for key, item in value.items())
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)

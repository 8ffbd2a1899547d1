"""`telemetry unlock`: takes away what a killed command left locked."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.console import Json, Name, check_yes, emit, say
from infra.cli.engine import engine, explained
from infra.cli.local import stack_platform


def register(app: typer.Typer) -> None:
    """Adds this file's command."""
    app.command()(unlock)


def unlock(
    name: Name = "local",
    yes: Annotated[
        bool, typer.Option("--yes", help="No command works on this stack any more, on any machine.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Takes away the state's lock that a killed command left. Migrations need no such thing: their lock expires by itself,
    a minute after its runner was last heard of."""
    if stack_platform(name) == "local":
        from infra.automation import clear_stale_locks

        # Whose process lives stays: on one machine that is known.
        removed = clear_stale_locks(name)
        if as_json:
            emit({"stack": name, "removed": len(removed)})
        else:
            say(f"{name}: {len(removed)} left behind, removed" if removed else f"{name}: nothing was left locked")
        return
    check_yes(yes, f"a command still works on {name}", "look at your running workflows and colleagues")
    from infra.backend import open_stack

    stack = open_stack(name, engine("aws"))
    with explained(name, "aws"):
        stack.cancel()
    if as_json:
        emit({"stack": name, "unlocked": True})
    else:
        say(f"{name}: unlocked; `telemetry preview --name {name} --refresh` shows what the killed command got done")

"""`telemetry`: the command line. One file a group of commands; this one ties them together."""

from __future__ import annotations

import sys

import typer

from infra.cli import (
    alerts,
    bootstrap,
    budgets,
    comment,
    compose,
    dashboards,
    data,
    demo,
    doctor,
    down,
    ephemeral,
    locks,
    migrate,
    pin,
    retention,
    stack,
    tenants,
    tools,
    watch,
)
from infra.cli.console import emit_error, error_console, quiet_readers
from infra.errors import UserError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Brings an agent-telemetry stack up, shows what it does and asks it questions.",
)
for group in (stack, down, migrate, comment, demo, watch, doctor, data, tools, alerts, pin, locks, compose):
    group.register(app)
app.add_typer(tenants.app, name="tenants")
app.add_typer(retention.app, name="retention")
app.add_typer(budgets.app, name="budgets")
app.add_typer(bootstrap.app, name="bootstrap")
app.add_typer(dashboards.app, name="dashboards")
app.add_typer(ephemeral.app, name="ephemeral")


def main() -> None:
    """Entry point: a UserError is one message and exit code 1."""
    quiet_readers()
    try:
        app()
    except UserError as error:
        error_console.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        emit_error(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        error_console.print("stopped", style="yellow")
        sys.exit(130)

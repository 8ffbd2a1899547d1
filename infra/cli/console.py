"""The terminal: one console for results, one for errors, and the options that commands share."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

console = Console()
error_console = Console(stderr=True)

Name = Annotated[str, typer.Option("--name", "-n", help="The stack's name.")]

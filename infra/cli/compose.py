"""`telemetry compose`: docker-compose.yml as made from configs/, settings and versions."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
import yaml

from infra.cli.console import Json, emit, say


def register(app: typer.Typer) -> None:
    """Adds this file's command."""
    app.command()(compose)


def compose(
    write: Annotated[bool, typer.Option("--write", help="Write docker-compose.yml instead.")] = False,
    as_json: Json = False,
) -> None:
    """Prints docker-compose.yml as made from configs/ and Pulumi.local.yaml. `make compose-up` starts it."""
    from infra.compose.project import FILE, project_text

    if write:
        FILE.write_text(project_text())
        if as_json:
            emit({"file": FILE.name})
        else:
            say(f"{FILE.name} is written")
    elif as_json:
        emit(yaml.safe_load(project_text()))
    else:
        sys.stdout.write(project_text())

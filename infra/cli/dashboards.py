"""`telemetry dashboards`: the dashboards as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.console import Name, console
from infra.config import PROJECT
from infra.errors import UserError

app = typer.Typer(no_args_is_help=True, help="The dashboards, without a Grafana.")


@app.command()
def build(
    out: Annotated[Path, typer.Option(help="The folder to write to; it is made when it is not there.")],
    name: Name = "local",
) -> None:
    """Writes the stack's dashboards as JSON that Grafana 10 and newer import, one file each."""
    from infra.dashboards.catalogue import build_all

    try:
        out.mkdir(parents=True, exist_ok=True)
        for slug, model in build_all(f"{PROJECT}-{name}").items():
            path = out / f"{slug}.json"
            path.write_text(json.dumps(model, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
            console.print(f"{path}  {model['title']}", highlight=False, markup=False, soft_wrap=True)
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}; name a folder that you may write to") from None

"""`telemetry ephemeral`: stacks that end by themselves. Here: up, fetch and list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli import ephemeral_end
from infra.cli.comment import write
from infra.cli.console import Json, check_name, emit, say, show, table_of
from infra.cli.engine import engine
from infra.cli.ephemeral_agents import check_writable, write_env_file
from infra.cli.ephemeral_list import listed, row_of
from infra.cli.ephemeral_up import make
from infra.errors import UserError

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from infra.ephemeral.account import Known
    from infra.local.toolchain import Toolchain

app = typer.Typer(
    no_args_is_help=True, help="Stacks that end by themselves: one for a pull request, one for an afternoon."
)

StackName = Annotated[str, typer.Argument(callback=check_name, help="The stack's name: pr-123, or a word.")]


@app.command()
def up(
    name: StackName,
    ttl: Annotated[str, typer.Option(help="How long it lives from now on: 90m, 8h, 1d.")] = "8h",
    own: Annotated[
        str | None, typer.Option(help="What it brings itself instead of sharing: network,kafka,grafana, or all.")
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="On this machine, beside the stacks that are here.")] = False,
    owner: Annotated[str, typer.Option(help="Whose it is. Default: the pull request, else you.")] = "",
    env_file: Annotated[
        Path | None, typer.Option(help="Write address and token for agents to this file, for `set -a; . FILE`.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also write a pull request's comment to this file.")] = None,
    log_url: Annotated[str, typer.Option(help="Where that comment says that the whole log is.")] = "",
    as_json: Json = False,
) -> None:
    """Makes an ephemeral stack from configs/ephemeral.yaml, or updates it and extends its time."""
    from infra.ephemeral import comment

    check_writable("--markdown", markdown)
    try:
        check_writable("--env-file", env_file)
        done = make(name, ttl, own, local, owner)
    except UserError as error:
        if markdown:
            write(markdown, comment.failed(name, str(error), row_of(name, local), log_url))
        raise
    if markdown:
        write(markdown, comment.up(name, done.record, done.outputs, log_url))
    if env_file:
        done.written = write_env_file(env_file, name, done.outputs["otlpHttp"], done.record.expires)
        say(f"{env_file}: what agents need, as the tenant {name}")
    if as_json:
        emit(done.as_json(name))
        return
    from infra.ephemeral.lifetime import shown, written

    span = shown(done.record.expires - datetime.now(UTC))
    say(
        f"{name} ends {written(done.record.expires)}, in {span}: the same command extends it, "
        f"`telemetry ephemeral down {name}` ends it now"
    )


@app.command()
def fetch(
    name: StackName,
    env_file: Annotated[
        Path | None, typer.Option(help="Also write address and token for agents to this file, for `set -a; . FILE`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Writes the file of a stack that was made on another machine, so that `telemetry … --name` works here too; and what its
    agents need."""
    from infra.ephemeral.here import find_here

    check_writable("--env-file", env_file)
    tools = engine("aws")
    here = find_here(name, tools)
    if here and not env_file:
        raise UserError(f"{name} is on this machine, and so is its file: there is nothing to fetch but an --env-file")
    known, said = (here, {"name": name}) if here else _fetched(name, tools)
    if known.record is None:
        raise UserError(f"{name} is not an ephemeral stack: `telemetry tenants add TENANT --name {name}` makes a token")
    if env_file:
        url = _outputs(name, tools, known.here).get("otlpHttp")
        if not url:
            raise UserError(f"{name} has no address yet: it is not up (`telemetry ephemeral list`)")
        said |= write_env_file(env_file, name, url, known.record.expires)
    if as_json:
        emit(said)
        return
    if "file" in said:
        say(f"{said['file']} is written")
    if env_file:
        say(f"{env_file}: what agents need, as the tenant {name}")


def _fetched(name: str, tools: Toolchain) -> tuple[Known, dict[str, str]]:
    from infra.ephemeral.account import Account
    from infra.ephemeral.template import draft_on_aws

    account = Account(tools)
    known = account.find(name)
    if known is None or known.record is None:
        raise UserError(f"there is no ephemeral stack {name} in the backend; `telemetry ephemeral list` shows all")
    draft = draft_on_aws(name, known.record.expires, known.record.owner, known.record.parts)
    return known, {"name": name, "file": draft.write(account.crypto(name)).name}


def _outputs(name: str, tools: Toolchain, here: bool) -> Mapping[str, Any]:
    if not here:
        from infra.backend import outputs

        return outputs(name, tools)
    from infra.automation import open_stack

    return {key: output.value for key, output in open_stack(name, tools).outputs().items()}


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Shows every ephemeral stack: whose it is, how old, when it ends, what it has cost."""
    rows = listed(datetime.now(UTC))
    if as_json:
        emit([asdict(row) for row in rows])
        return
    if not rows:
        say("there is none")
        return
    table = table_of(
        *("stack", "where", "owner", "age", "ends (UTC)", "in", "cost so far", "state"), fold=("where", "owner")
    )
    for row in rows:
        ends = row.expires[:16].replace("T", " ")
        state = f"{row.state} since {row.since[11:16]}" if row.since else row.state
        table.add_row(row.name, row.where, row.owner, row.age, ends, row.left, row.cost, state)
    show(table)


ephemeral_end.register(app)

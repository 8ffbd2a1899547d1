"""`telemetry ephemeral`: stacks that end by themselves. Here: up, fetch and list."""

from __future__ import annotations

import getpass
import os
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli import ephemeral_end
from infra.cli.comment import write
from infra.cli.console import Json, check_name, emit, say, show, table_of
from infra.cli.engine import engine, plain_outputs, print_endpoints
from infra.cli.ephemeral_agents import check_writable, write_env_file
from infra.cli.ephemeral_list import listed
from infra.errors import UserError
from infra.paths import ROOT

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from infra.cli.stack import Up
    from infra.ephemeral.account import Known
    from infra.ephemeral.record import Record
    from infra.ephemeral.template import Draft

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
        Path | None, typer.Option(help="Write address and a new token for agents to this file, for `set -a; . FILE`.")
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
        done = _up(name, ttl, own, local, owner)
        if env_file:
            jwt, left = done.draft.settings.collectorAuth == "jwt", done.record.expires - datetime.now(UTC)
            done.written = write_env_file(env_file, name, done.outputs["otlpHttp"], left.days + 1 if jwt else 0)
            say(f"{env_file}: address and token for agents")
    except UserError as error:
        if markdown:
            write(markdown, comment.failed(name, str(error), log_url))
        raise
    if markdown:
        write(markdown, comment.up(name, done.record, done.outputs, log_url))
    if as_json:
        emit(done.as_json(name))
        return
    from infra.ephemeral.lifetime import shown, written

    span = shown(done.record.expires - datetime.now(UTC))
    say(
        f"{name} ends {written(done.record.expires)}, in {span}: the same command extends it, "
        f"`telemetry ephemeral down {name}` ends it now"
    )


@dataclass
class _Done:
    record: Record
    draft: Draft
    outputs: dict[str, Any]
    written: dict[str, str] = field(default_factory=dict)

    def as_json(self, name: str) -> dict[str, Any]:
        from infra.ephemeral.lifetime import written

        said = {"name": name, "expires": written(self.record.expires), "owner": self.record.owner}
        return {**said, **self.written, "outputs": self.outputs}


def _up(name: str, ttl: str, own: str | None, local: bool, owner: str) -> _Done:
    from infra.ephemeral.lifetime import parse_ttl
    from infra.ephemeral.record import OWNER_LENGTH, Record
    from infra.ephemeral.template import check_end, draft_local, draft_on_aws, lent, template

    found = template()
    now = datetime.now(UTC)
    expires = now + parse_ttl(ttl, found.maximumHours)
    owner = (owner or _owner(found.pull_request(name)))[:OWNER_LENGTH]
    if local and own is not None:
        raise UserError("--own: a stack on this machine has all of its own; leave --own or --local out")
    if local:
        from infra.ephemeral.here import FIRST_PORT

        # Its ports are chosen once the engine is there, which may take minutes to build.
        draft = draft_local(name, expires, owner, FIRST_PORT)
    else:
        draft = draft_on_aws(name, expires, owner, lent(own))
        check_end(name)
    shared = tuple(draft.settings.shareParts) if draft.settings.shareStack else ()
    record = Record(expires, now, owner, _commit(), draft.platform, draft.settings.shareStack, shared)
    return _up_here(draft, record) if local else _up_on_aws(draft, record)


def _up_here(draft: Draft, record: Record) -> _Done:
    from infra.cli.stack import bring_up
    from infra.ephemeral.here import crypto_here, find_here, mark_here, port_base, ports_held
    from infra.ephemeral.template import draft_local

    tools = engine("local")
    record = of_the_same(find_here(draft.name, tools), record)
    with ports_held():
        draft = draft_local(draft.name, record.expires, draft.owner, port_base(draft.name))
        draft.write(crypto_here(draft.name), record.owner)
    mark_here(draft.name, record, tools)
    return _Done(record, draft, _shown(draft.name, bring_up(draft.name)))


def _up_on_aws(draft: Draft, record: Record) -> _Done:
    from infra.backend import check_backend
    from infra.cli.engine import open_stack
    from infra.cli.stack import bring_up, check_ready
    from infra.ephemeral.account import Account

    check_ready(draft.name, draft.settings)
    check_backend(draft.name, draft.content)
    account = Account(engine("aws"))
    known = account.find(draft.name)
    record = of_the_same(known, record)
    draft.write(account.crypto(draft.name) if known else {}, record.owner)
    open_stack(draft.name, "aws", create=True)
    # Before the first resource: whatever happens to this command, the stack is known for what it is.
    account.mark(draft.name, record)
    return _Done(record, draft, _shown(draft.name, bring_up(draft.name)))


def _shown(name: str, done: Up) -> dict[str, Any]:
    print_endpoints(name, done.outputs, done.seconds)
    return plain_outputs(done.outputs)


def of_the_same(known: Known | None, record: Record) -> Record:
    """The record of a stack that is perhaps there already. Raises UserError when that is another one."""
    from dataclasses import replace

    if known is None or (known.record is None and not known.resources):
        return record
    there = known.record
    if there is None:
        raise UserError(
            f"there is a stack {known.name} that is not ephemeral, with {known.resources} resources: take another name"
        )
    for what, is_, would in (
        ("is on", there.platform, record.platform),
        ("shares parts of", there.share or "nobody", record.share or "nobody"),
        ("shares", ", ".join(there.parts) or "nothing", ", ".join(record.parts) or "nothing"),
    ):
        if is_ != would:
            raise UserError(
                f"there is an ephemeral stack {known.name} that {what} {is_}, not {would} (made by {there.owner}): repeat "
                f"its own options, take another name, or end it first (`telemetry ephemeral down {known.name}`)"
            )
    return replace(record, made=there.made, owner=there.owner)


def _owner(number: int | None) -> str:
    repository = os.environ.get("GITHUB_REPOSITORY", "")
    if number and repository:
        return f"{repository}/pull/{number}"
    return os.environ.get("GITHUB_ACTOR") or getpass.getuser()


def _commit() -> str:
    if commit := os.environ.get("GITHUB_SHA"):
        return commit
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@app.command()
def fetch(name: StackName, as_json: Json = False) -> None:
    """Writes the file of a stack that was made on another machine, so that `telemetry … --name` works here too."""
    from infra.ephemeral.account import Account
    from infra.ephemeral.template import draft_on_aws

    account = Account(engine("aws"))
    known = account.find(name)
    if known is None or known.record is None:
        raise UserError(f"there is no ephemeral stack {name} in the backend; `telemetry ephemeral list` shows all")
    draft = draft_on_aws(name, known.record.expires, known.record.owner, known.record.parts)
    path = draft.write(account.crypto(name))
    if as_json:
        emit({"name": name, "file": path.name})
    else:
        say(f"{path.name} is written")


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
        table.add_row(
            row.name, row.where, row.owner, row.age, row.expires[:16].replace("T", " "), row.left, row.cost, row.state
        )
    show(table)


ephemeral_end.register(app)

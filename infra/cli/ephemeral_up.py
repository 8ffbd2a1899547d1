"""`telemetry ephemeral up`: what it makes, and takes back when nothing comes of it."""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infra.cli.console import error_console
from infra.cli.engine import engine, plain_outputs, print_endpoints
from infra.config import stack_file
from infra.errors import UserError
from infra.paths import ROOT

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from infra.cli.stack import Up
    from infra.ephemeral.account import Known
    from infra.ephemeral.record import Record
    from infra.ephemeral.template import Draft


@dataclass
class Done:
    """What an `up` has made."""

    record: Record
    outputs: dict[str, Any]
    written: dict[str, str] = field(default_factory=dict)
    """Of its agents' file, what may be shown."""

    def as_json(self, name: str) -> dict[str, Any]:
        """For --json."""
        from infra.ephemeral.lifetime import written

        said = {"name": name, "expires": written(self.record.expires), "owner": self.record.owner}
        return {**said, **self.written, "outputs": self.outputs}


def make(name: str, ttl: str, own: str | None, local: bool, owner: str) -> Done:
    """Makes the stack, or updates it and extends its time. Raises UserError."""
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
        check_end(name)
        draft = draft_on_aws(name, expires, owner, lent(own))
    shared = tuple(draft.settings.shareParts) if draft.settings.shareStack else ()
    record = Record(expires, now, owner, _commit(), draft.platform, draft.settings.shareStack, shared)
    return _up_here(draft, record) if local else _up_on_aws(draft, record)


def _up_here(draft: Draft, record: Record) -> Done:
    from infra.cli.stack import bring_up
    from infra.ephemeral.here import crypto_here, find_here, mark_here, port_base, ports_held, take_back_here
    from infra.ephemeral.standing import at_work
    from infra.ephemeral.template import draft_local

    name, tools = draft.name, engine("local")
    known = find_here(name, tools)
    record = of_the_same(known, record)
    with taken_back(name, known, lambda: take_back_here(name, tools)):
        with ports_held():
            draft = draft_local(name, record.expires, draft.owner, port_base(name, known is not None))
            draft.write(crypto_here(name), record.owner)
        workspace = mark_here(name, record, tools)
        with at_work(workspace, name, "up", others=known is not None and known.busy()):
            return Done(record, _shown(name, bring_up(name)))


def _up_on_aws(draft: Draft, record: Record) -> Done:
    from infra.backend import check_backend
    from infra.cli.engine import open_stack
    from infra.cli.stack import bring_up, check_ready
    from infra.ephemeral.account import Account

    name = draft.name
    check_ready(name, draft.settings)
    check_backend(name, draft.content)
    account = Account(engine("aws"))
    known = account.find(name)
    record = of_the_same(known, record)
    crypto = account.crypto(name) if known else {}
    with taken_back(name, known, lambda: account.take_back(name, record)):
        draft.write(crypto, record.owner)
        open_stack(name, "aws", create=True)
        # Before the first resource: whatever happens to this command, the stack is known for what it is.
        account.mark(name, record)
        with account.at_work(name, "up", others=known is not None and known.busy()):
            # Not made once more: one that somebody has ended meanwhile would have no end of its own.
            return Done(record, _shown(name, bring_up(name, create=False)))


@contextmanager
def taken_back(name: str, known: Known | None, take_back: Callable[[], bool]) -> Iterator[None]:
    """What this command has entered and written is taken out again when nothing comes of it: `known` was not there, and
    `take_back` says that nothing is. The command's own error is what is told, and told first."""
    path = ROOT / stack_file(name)
    before = path.read_text() if path.exists() else None
    try:
        yield
    except BaseException as error:
        stays = ""
        if known is None:
            try:
                if take_back():
                    path.unlink(missing_ok=True) if before is None else path.write_text(before)
            except UserError as refused:
                stays = (
                    f"{name} stays entered, with nothing in it ({refused}): `telemetry ephemeral down {name}` takes it out, as the "
                    "reaper does when its time is over"
                )
        if stays and isinstance(error, UserError):
            raise UserError(f"{error}\n{stays}") from None
        if stays:
            error_console.print(stays, style="yellow", markup=False, highlight=False, soft_wrap=True)
        raise


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

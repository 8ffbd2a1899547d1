"""How ephemeral stacks end: `telemetry ephemeral down` and `reap`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.console import Json, check_name, emit, say, show, table_of
from infra.cli.engine import display, engine
from infra.cli.ephemeral_left import holdings_of, line, of_no_stack
from infra.cli.ephemeral_list import account_stacks
from infra.config import stack_file
from infra.errors import UserError
from infra.paths import ROOT

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from infra.aws.holdings import Holding
    from infra.ephemeral.account import Account, Known
    from infra.ephemeral.reaper import Outcome

Tries = Annotated[int, typer.Option(min=1, max=10, help="How often a destroy is tried.")]
Pause = Annotated[float, typer.Option(min=0, help="Seconds before the second try; then twice as long.")]


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    app.command()(down)
    app.command()(reap)


def down(
    name: Annotated[str, typer.Argument(callback=check_name, help="The stack's name.")],
    tries: Tries = 3,
    pause: Pause = 60,
    unlock: Annotated[
        bool,
        typer.Option("--unlock", help="No command works on it any more, on any machine: take its lock away first."),
    ] = False,
    markdown: Annotated[Path | None, typer.Option(help="Also write a pull request's comment to this file.")] = None,
    log_url: Annotated[str, typer.Option(help="Where that comment says that the whole log is.")] = "",
    as_json: Json = False,
) -> None:
    """Takes an ephemeral stack down: resources, state, file. Then asks AWS what is left, and exits with 1 if something is."""
    from infra.cli.comment import write
    from infra.ephemeral import comment

    left: list[Holding] = []
    try:
        left = _down(name, tries, pause, unlock)
    except UserError as error:
        if markdown:
            write(markdown, comment.down(name, str(error), log_url))
        raise
    if markdown:
        write(markdown, comment.down(name, "\n".join(map(line, left)), log_url))
    if as_json:
        emit({"name": name, "left": [asdict(item) for item in left]})
    if left:
        raise UserError(f"{name}: AWS still has {len(left)} of it:\n" + "\n".join(map(line, left)))


def _down(name: str, tries: int, pause: float, unlock: bool) -> list[Holding]:
    from infra.ephemeral.here import find_here
    from infra.ephemeral.template import is_ephemeral

    path = ROOT / stack_file(name)
    tools = engine("aws")
    if here := find_here(name, tools):
        _check_ephemeral(here)
        _take_down_here(here, tries, pause)
        return []
    from infra.backend import backend_url
    from infra.ephemeral.account import Account

    if not backend_url():
        raise UserError(
            f"there is no ephemeral stack {name} on this machine (`telemetry ephemeral list`), and AWS's are not looked at: no "
            "backend is chosen (`pulumi login`, or PULUMI_BACKEND_URL)"
        )
    account = Account(tools)
    known = account.find(name)
    if known is None:
        say(f"{name}: nothing was up")
        if path.exists() and is_ephemeral(path):
            path.unlink()
    else:
        _check_ephemeral(known)
        _take_down(account, known, tries, pause, unlock)
        say(f"{name}: everything is removed, its state too")
    return [item for item in holdings_of(name) if item.costs or item.certain]


def _check_ephemeral(known: Known) -> None:
    if known.record is None:
        raise UserError(f"{known.name} is not an ephemeral stack; `telemetry down --name {known.name}` takes it down")


def _take_down(account: Account, known: Known, tries: int, pause: float, unlock: bool) -> None:
    """Raises UserError when something is left; its state then is too."""
    from infra.ephemeral.teardown import destroy

    others = known.busy() and not unlock
    with account.at_work(known.name, "down", others):
        with account.opened(known) as stack:
            if unlock:
                account.unlock(known.name)
            warn, taken_away = lambda text: say(text, style="yellow"), lambda: account.unlock(known.name)
            destroy(stack, display(), warn, tries, pause, unlock=taken_away)
        account.forget(known.name)


def _take_down_here(known: Known, tries: int, pause: float) -> None:
    import time

    from infra.automation import open_stack
    from infra.cli.down import down as stack_down
    from infra.ephemeral.standing import at_work

    workspace = open_stack(known.name, engine("aws")).workspace
    with at_work(workspace, known.name, "down", others=known.busy()):
        for number in range(1, tries + 1):
            try:
                stack_down(known.name)
                return
            except UserError:
                if number == tries:
                    raise
                time.sleep(min(pause, 5))


def reap(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    closed: Annotated[
        str, typer.Option(help="Numbers of closed pull requests, comma-separated, instead of asking GitHub.")
    ] = "",
    repository: Annotated[str, typer.Option(envvar="GITHUB_REPOSITORY", help="owner/name of the pull requests.")] = "",
    api: Annotated[str, typer.Option(envvar="GITHUB_API_URL", help="GitHub's API.")] = "https://api.github.com",
    tries: Tries = 3,
    pause: Pause = 60,
    as_json: Json = False,
) -> None:
    """Takes down all that are past their time or whose pull request is closed (GITHUB_TOKEN), then asks AWS what is left of
    stacks that are no more. Exits with 1 if something goes on costing money."""
    from infra.ephemeral.reaper import failed

    outcomes, left, unknown = _reap(dry_run, _numbers(closed), repository, api, tries, pause)
    if as_json:
        shown = {"stacks": [asdict(item) for item in outcomes], "left": [asdict(item) for item in left]}
        emit({**shown, "unknown": unknown})
    else:
        _show(outcomes, left)
    problems = [f"{name}: could not be taken down" for name in failed(outcomes)]
    problems += [line(item) for item in left if item.costs]
    if problems:
        raise UserError("something goes on costing money:\n" + "\n".join([*problems, unknown]).rstrip())
    if unknown:
        raise UserError(f"whether anything is left is not known: {unknown}")


def _numbers(closed: str) -> set[int]:
    try:
        return {int(number) for number in closed.replace(",", " ").split()}
    except ValueError:
        raise UserError(f"--closed {closed!r}: numbers of pull requests are expected, comma-separated") from None


def _reap(
    dry_run: bool, closed: set[int], repository: str, api: str, tries: int, pause: float
) -> tuple[list[Outcome], list[Holding], str]:
    """What became of each stack, what AWS holds of others, and why that is not known."""
    from infra.backend import backend_url
    from infra.ephemeral.here import all_here, find_here
    from infra.ephemeral.reaper import Reaper
    from infra.ephemeral.standing import LOCK_HOURS
    from infra.ephemeral.template import template

    now, found, account = datetime.now(UTC), template(), account_stacks()

    def is_closed(number: int, known: Known) -> bool:
        return number in closed or closed_on_github(number, known, repository, api)

    def take_down(known: Known) -> None:
        assert known.record
        if known.record.platform == "local":
            _take_down_here(known, tries, pause)
        elif account:
            # Pulumi Cloud does not say since when a stack is locked.
            cloud = backend_url().startswith(("http://", "https://"))
            old = cloud and known.record.expires + timedelta(hours=LOCK_HOURS) <= now
            _take_down(account, known, tries, pause, old)

    def again(known: Known) -> Known | None:
        here = known.record is not None and known.record.platform == "local"
        return find_here(known.name, engine("aws")) if here else account.find(known.name) if account else None

    stacks = [*all_here(engine("aws")), *(account.all() if account else [])]
    outcomes = Reaper(now, found, is_closed, again, take_down, dry_run, say).run(stacks)
    # Asked again: one may have been begun meanwhile.
    there = {known.name for known in account.all()} if account else set()
    if not account:
        return outcomes, [], ""
    try:
        left, hidden = of_no_stack(account, holdings_of(besides=there))
    except UserError as error:  # what was done is told all the same
        return outcomes, [], str(error)
    return outcomes, left, "\n".join(hidden)


def closed_on_github(number: int, known: Known, repository: str, api: str) -> bool:
    """Whether GitHub says so; False where it is not asked: without a token, or for another repository's stack."""
    token = os.environ.get("GITHUB_TOKEN", "")
    whose = known.record.owner if known.record else ""
    if not token or not repository or whose != f"{repository}/pull/{number}":
        return False
    from infra.comment.github import PullRequest

    return PullRequest(repository, number, token, api).closed()


def _show(outcomes: Sequence[Outcome], left: Iterable[Holding]) -> None:
    if not outcomes:
        say("there is no ephemeral stack")
    else:
        table = table_of("stack", "what", "why", fold=("why",))
        for item in outcomes:
            table.add_row(item.name, item.result, item.why)
        show(table)
    rows = [*left]
    if rows:
        folded = ("what", "how to remove it")
        table = table_of("left of", "what", "state", "costs", "how to remove it", fold=folded, title="left behind")
        for item in rows:
            table.add_row(item.stack, item.arn, item.state, "yes" if item.costs else "no", item.remove)
        show(table)

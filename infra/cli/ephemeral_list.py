"""What `telemetry ephemeral list` shows, and what its sister commands share with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from infra.cli.console import error_console
from infra.cli.engine import engine
from infra.errors import UserError

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from infra.ephemeral.account import Account, Known
    from infra.ephemeral.record import Record
    from infra.ephemeral.standing import Row


def listed(now: datetime) -> list[Row]:
    """Every ephemeral stack, the next to end first."""
    from infra.ephemeral.here import all_here

    account = account_stacks()
    stacks = [*all_here(engine("aws")), *(account.all() if account else [])]
    rows = [(known.record, _row(known, known.record, account, now)) for known in stacks if known.record]
    return [row for _, row in sorted(rows, key=lambda item: item[0].expires)]


def row_of(name: str, local: bool) -> Row | None:
    """One ephemeral stack; None where there is none, or where that can't be told."""
    from infra.ephemeral.account import Account
    from infra.ephemeral.here import find_here

    try:
        account = None if local else Account(engine("aws"))
        known = account.find(name) if account else find_here(name, engine("aws"))
        return _row(known, known.record, account, datetime.now(UTC)) if known and known.record else None
    except UserError:
        return None


def _row(known: Known, found: Record, account: Account | None, now: datetime) -> Row:
    from infra.ephemeral.here import history_here
    from infra.ephemeral.lifetime import shown, written
    from infra.ephemeral.standing import Row, standing

    history = account.history(known.name) if account and not known.here else history_here(known.name, engine("aws"))
    state = standing(known, history, now)
    return Row(
        known.name,
        "here" if known.here else f"aws, with {found.share}" if found.share else "aws",
        found.owner,
        shown(now - found.made),
        written(found.expires),
        shown(found.expires - now),
        _cost(known, found, now),
        state,
        known.resources,
        written(known.work.since) if known.work and state in ("coming up", "being ended") else "",
    )


def _cost(known: Known, found: Record, now: datetime) -> str:
    """By today's template and the list prices; '' for what costs nothing, `unknown` without the prices."""
    if found.platform == "local" or not known.resources:
        return ""
    from infra.aws.costs import HOURS, estimate
    from infra.ephemeral.template import draft_on_aws

    try:
        costs = estimate(draft_on_aws(known.name, found.expires, found.owner, found.parts).settings)
    except UserError:
        return "unknown"
    if costs.missing:
        return "unknown"
    month = float(sum(costs.parts.values()))
    return f"{month / float(HOURS) * found.age_hours(now):.2f} USD"


def account_stacks() -> Account | None:
    """None, with a word, where no backend is chosen: then only this machine is looked at."""
    from infra.backend import backend_url
    from infra.ephemeral.account import Account

    if backend_url():
        return Account(engine("aws"))
    error_console.print("no backend is chosen (`pulumi login`): only this machine is looked at", style="yellow")
    return None

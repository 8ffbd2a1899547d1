"""What AWS still has of ephemeral stacks that are no more, as `telemetry ephemeral down` and `reap` tell it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from infra.config import file_settings
from infra.errors import UserError

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from infra.aws.holdings import Holding
    from infra.ephemeral.account import Account


def holdings_of(name: str = "", besides: Collection[str] = ()) -> list[Holding]:
    """What is there, of one stack or of all but those in `besides`. Raises UserError when AWS can't be asked."""
    from infra.aws.holdings import holdings
    from infra.ephemeral.template import template

    return holdings(file_settings(template().share).awsRegion, name, besides)


def line(item: Holding) -> str:
    """One resource, and how it is removed."""
    return f"  {item.arn} ({item.kind}, {item.state}{'' if item.costs else ', costs nothing'}): {item.remove}"


def of_no_stack(account: Account, held: Sequence[Holding]) -> tuple[list[Holding], list[str]]:
    """What is left of stacks that are no more; and of which stacks that can't be told. A state that this role may not read is
    not listed either, and its stack may well be up."""
    gone, hidden = {""}, list[str]()
    for name in sorted({item.stack for item in held} - gone):
        try:
            known = account.find(name)
        except UserError as error:
            count = sum(item.stack == name for item in held)
            hidden.append(
                f"  {name}: AWS has {count} of it, and its state can't be read ({error}): nothing here ends it. `telemetry "
                f"ephemeral down {name}`, by somebody who may; names that the hourly job may end stand in configs/bootstrap.yaml"
            )
            continue
        if known is None or not known.resources:
            gone.add(name)
    return [item for item in held if item.stack in gone], hidden

"""A destroy that is not given up at the first refusal: what AWS lets go of late is tried again, a bounded number of times."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from pulumi import automation

from infra.ephemeral.lifetime import read
from infra.ephemeral.standing import LOCK_HOURS
from infra.errors import UserError

TRIES = 3
PAUSE_SECONDS = 60.0
"""Before the second try, then twice as long: brokers and tasks leave network interfaces behind for a few minutes, and until
they are gone security groups and subnets can't be deleted."""

LOCKED_AT = re.compile(r"\(pid \d+\) at (\S+)")
"""When a lock was taken, as the engine says it for its own backends (a bucket, a folder)."""


def destroy(
    stack: automation.Stack,
    display: Mapping[str, Any],
    say: Callable[[str], None],
    tries: int = TRIES,
    pause_seconds: float = PAUSE_SECONDS,
    unlock: Callable[[], None] | None = None,
) -> None:
    """Deletes all that the state knows of. Before another try the state is refreshed: what is gone is forgotten, and what was
    being made when a command was killed is asked for. `unlock` takes a lock away that was left behind, once. Raises
    UserError."""
    number = 0
    while number < tries:
        number += 1
        try:
            # One thing that can't be deleted keeps no other alive.
            stack.destroy(continue_on_error=True, suppress_outputs=True, show_secrets=False, **display)
            return
        except automation.CommandError as error:
            if is_locked(error):
                if unlock and left_behind(str(error), datetime.now(UTC)):
                    say(f"{stack.name}: its lock was left behind by a command that is long over, and is taken away")
                    unlock()
                    unlock, number = None, number - 1
                    continue
                raise UserError(
                    f"another command works on {stack.name}; if that one was killed, `telemetry ephemeral down {stack.name} "
                    "--unlock` takes its lock away first"
                ) from None
        if number < tries:
            seconds = pause_seconds * 2 ** (number - 1)
            say(f"{stack.name}: not everything could be deleted; refreshed and tried again in {seconds:.0f} s")
            time.sleep(seconds)
            with suppress(automation.CommandError):  # shown; the destroy says what matters
                stack.refresh(clear_pending_creates=True, suppress_outputs=True, show_secrets=False, **display)
    raise UserError(f"{stack.name}: not everything could be deleted in {tries} tries (above)")


def left_behind(said: str, now: datetime) -> bool:
    """Whether every lock that the engine names is older than any command that still works. By the locks' own times: a
    stack's end is no measure, somebody may be taking it down by hand."""
    taken = [read(text) for text in LOCKED_AT.findall(said)]
    return bool(taken) and all(at and at + timedelta(hours=LOCK_HOURS) <= now for at in taken)


def is_locked(error: automation.CommandError) -> bool:
    """Whether another command holds the state."""
    return isinstance(error, automation.ConcurrentUpdateError) or "currently locked" in str(error)

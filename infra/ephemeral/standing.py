"""How an ephemeral stack stands: what a command does with it right now, and how the last one that changed it ended.

The first is a tag of the stack, there while the command lasts: the engine shows nobody the locks of its own backends. The second
is the engine's own history, so it is also true of an `up` or a destroy that was not ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from pulumi import automation

from infra.automation import opening_error
from infra.config import PROJECT
from infra.ephemeral import lifetime
from infra.local.supervisor import is_running

if TYPE_CHECKING:  # in a circle
    from infra.ephemeral.account import Known

TAG = f"{PROJECT}:at-work"
LOCK_HOURS = 6
"""Nothing works on a stack, or holds its lock, for so long: a job of GitHub's ends before. Then it was killed."""
ENTRIES = 5
"""Of the history, newest first: between two tries of a destroy lies a refresh."""

What = Literal["up", "down"]
Standing = Literal["coming up", "being ended", "empty", "over", "half up", "half ended", "up"]


@dataclass(frozen=True)
class Row:
    """One stack as `telemetry ephemeral list` shows it."""

    name: str
    where: str
    owner: str
    age: str
    expires: str
    left: str
    cost: str
    state: Standing
    resources: int
    since: str
    """Since when a command works on it; '' where none does."""


@dataclass(frozen=True)
class Work:
    """A command that works on a stack, as it has written down itself. One that was killed can't take that back."""

    what: What
    since: datetime
    pid: int

    def tag(self) -> str:
        """As the stack has it."""
        return f"{self.what} {lifetime.written(self.since)} {self.pid}"

    def goes_on(self, now: datetime, here: bool) -> bool:
        """Whether it still works. Seen for a stack on this machine; of another one's only when nothing works for so long."""
        return is_running(self.pid) if here else now - self.since < timedelta(hours=LOCK_HOURS)


def work(tags: Mapping[str, str]) -> Work | None:
    """What a stack's tags say; None for nothing, or for what somebody has spoilt by hand."""
    said, since, pid = [*tags.get(TAG, "").split(), "", "", ""][:3]
    what: What | None = next((word for word in get_args(What) if word == said), None)
    moment = lifetime.read(since)
    return Work(what, moment, int(pid)) if what and moment and pid.isdigit() else None


@contextmanager
def at_work(workspace: automation.Workspace, name: str, what: What, others: bool) -> Iterator[None]:
    """Writes down what is being done while this lasts. `others`: another command works on the stack, which stays written down:
    the engine lets one do something, and that one's word counts."""
    try:
        if not others:
            workspace.set_tag(name, TAG, Work(what, datetime.now(UTC), os.getpid()).tag())
    except automation.CommandError as error:
        raise opening_error(name, error) from None
    try:
        yield
    except BaseException:
        if not others:
            _done(workspace, name)
        raise
    if what == "up":  # an end takes the tags with it
        _done(workspace, name)


def _done(workspace: automation.Workspace, name: str) -> None:
    with suppress(automation.CommandError):  # the stack is gone
        workspace.remove_tag(name, TAG)


def standing(known: Known, history: Iterable[Mapping[str, Any]], now: datetime) -> Standing:
    """`history`: the engine's, newest first. For an ephemeral stack."""
    doing = known.work
    if doing and doing.goes_on(now, here=known.here):
        return "coming up" if doing.what == "up" else "being ended"
    last = next((item for item in history if item.get("kind") in ("update", "destroy")), {})
    if last.get("result") == "in-progress":  # Pulumi Cloud says so, and ends it itself when the command is gone
        return "coming up" if last["kind"] == "update" else "being ended"
    if not known.resources:
        return "empty"
    if known.record and known.record.expired(now):
        return "over"
    began = lifetime.read(str(last.get("startTime", "")))
    if doing and (began is None or began < doing.since):  # killed, and nobody has gone on
        return "half up" if doing.what == "up" else "half ended"
    if last.get("kind") == "destroy":
        return "half ended"
    return "up" if last.get("result") == "succeeded" else "half up"

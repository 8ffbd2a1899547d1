"""Which ephemeral stacks are over, and what became of each. What takes one down is given: this file knows no platform."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from infra.ephemeral.account import Known
from infra.ephemeral.lifetime import shown
from infra.ephemeral.template import Template
from infra.errors import UserError

Result = Literal["kept", "would go", "removed", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What became of one stack."""

    name: str
    result: Result
    why: str


@dataclass(frozen=True)
class Reaper:
    """One run."""

    now: datetime
    template: Template
    closed: Callable[[int, Known], bool]
    """Whether the pull request of this number, whose stack this is, is closed. Raises UserError."""
    again: Callable[[Known], Known | None]
    """The stack as it is by now; None: it is gone."""
    take_down: Callable[[Known], None]
    """Raises whatever goes wrong."""
    dry_run: bool
    say: Callable[[str], None]

    def run(self, stacks: Iterable[Known]) -> list[Outcome]:
        """One after the other; what goes wrong with one is its outcome, and the next one's turn."""
        return [self._one(known) for known in stacks]

    def _one(self, known: Known) -> Outcome:
        over, why = self._over(known)
        if not over:
            return Outcome(known.name, "kept", why)
        if self.dry_run:
            return Outcome(known.name, "would go", why)
        self.say(f"{known.name}: {why}: taking it down")
        try:
            # The others may have taken an hour, and somebody may have extended it or taken it down meanwhile.
            current = self.again(known)
            if current is None or current.record is None:
                return Outcome(known.name, "removed", f"{why}; somebody else was faster")
            over, still = self._over(current)
            if not over:
                return Outcome(known.name, "kept", still)
            self.take_down(current)
        except Exception as error:  # whatever it is, the others' turn comes
            text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            return Outcome(known.name, "failed", f"{why}; {text}{self._from_commit(known)}")
        return Outcome(known.name, "removed", why)

    def _over(self, known: Known) -> tuple[bool, str]:
        record = known.record
        assert record is not None
        if record.expired(self.now):
            return True, f"its time is over since {shown(self.now - record.expires)}"
        number, note = self.template.pull_request(known.name), ""
        if number is not None:
            try:
                if self.closed(number, known):
                    return True, f"pull request {number} is closed"
            except UserError as error:
                note = f" ({error})"
        return False, f"ends in {shown(record.expires - self.now)}{note}"

    def _from_commit(self, known: Known) -> str:
        """Steps are deleted by the code that is checked out; a pull request may have had others."""
        commit = known.record.commit if known.record else ""
        return f"; it was made from {commit}: `telemetry ephemeral down {known.name}` there" if commit else ""


def failed(outcomes: Sequence[Outcome]) -> list[str]:
    """The names of those that are still there and should not be."""
    return [item.name for item in outcomes if item.result == "failed"]

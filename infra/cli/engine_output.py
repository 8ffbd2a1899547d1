"""The engine's output as a person should see it: its lines of what changes, and an error's message instead of a traceback."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from infra.errors import UserError

USER_ERROR = f"{UserError.__module__}.{UserError.__qualname__}"
CHAINED = ("During handling of", "The above exception")
UNHANDLED = "error: an unhandled error occurred:"
PROGRAM_FAILED = "python inline source runtime error: "
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SECTIONS = ("Diagnostics:", "Policies:", "Outputs:", "Resources:")
"""What begins after the resources' lines."""
_RESOURCE = r"[\w-]+:[\w/.-]*:\w+ \S+"
UNCHANGED = re.compile(
    rf" {{4}}{_RESOURCE}\s*|\s*~\s+{_RESOURCE} refresh(ing|ed)?( \([\d.]+m?s\))?( \[diff: [^]]*\])?\s*"
)
"""A resource that stays as it is, or is looked at: what becomes of a difference is a line of its own."""
REMOVED_NEXT = (
    "The resources in the stack have been deleted, but the history",
    "If you want to remove the stack completely, run `pulumi stack rm",
)
"""A destroy's last word. Every command here that destroys a stack removes it as well."""


@dataclass
class OutputFilter:
    """Passes the engine's lines on, with a Python traceback reduced to the message at its end."""

    write: Callable[[str], None]
    hidden: Callable[[], None] | None = None
    """Called in place of `write` for a resource that does not change. None: these are written too."""
    _resources: bool = True
    """Whether these are still the resources' lines, not what is said of them at the end."""
    _skipping: int | None = None
    """Indent of the error whose traceback is being left out."""
    _said: bool = False
    """Whether that error's message has been shown already."""
    _held: list[str] = field(default_factory=list)
    """A traceback's end, shown unless another one follows that it only caused."""
    _repeating: bool = False
    """Inside the engine's second report of the program's error."""

    def __call__(self, text: str) -> None:
        for line in text.splitlines() or [""]:
            self._line(line)

    def _line(self, line: str) -> None:
        plain = COLOUR.sub("", line)
        text = plain.lstrip()
        indent = len(plain) - len(text)
        if text.startswith(UNHANDLED):
            self._repeating = True
        elif self._repeating and (not text or text.startswith(("error:", "warning:"))):
            self._repeating = False
        if self._repeating or " running error: " in text:  # a progress line: the same stands in the diagnostics
            return
        if text.startswith(REMOVED_NEXT):
            return
        if text.startswith(CHAINED) and self._held:
            self._held, self._skipping = [], indent
        elif PROGRAM_FAILED in text:
            self._show(f"{' ' * indent}error: {text.partition(PROGRAM_FAILED)[2]}")
            self._skipping, self._said = indent, True
        elif "Traceback (most recent call last):" in text:
            if text.startswith("error:"):
                self._flush()
                self._skipping, self._said = indent, False
        elif self._skipping is not None:
            if text and indent <= self._skipping:
                self._end_of_traceback(line, text, indent)
        elif self._held and text and indent >= self._indent_held():
            self._held.append(line)
        elif self._held and not text:
            self._held.append("")
        else:
            self._show(line)

    def _end_of_traceback(self, line: str, text: str, indent: int) -> None:
        said, self._skipping = self._said, None
        name, _, message = text.partition(": ")
        if not said:
            self._held = [f"{' ' * indent}error: {message if name == USER_ERROR else text}"]
        elif "Error" not in name:
            self._show(line)

    def _indent_held(self) -> int:
        return len(self._held[0]) - len(self._held[0].lstrip())

    def _flush(self) -> None:
        for held in self._held:
            self.write(held)
        self._held = []

    def _show(self, line: str) -> None:
        self._flush()
        plain = COLOUR.sub("", line)
        self._resources = self._resources and plain.strip() not in SECTIONS
        if self.hidden and self._resources and UNCHANGED.fullmatch(plain):
            self.hidden()
        else:
            self.write(line)

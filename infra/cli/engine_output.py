"""The engine's output as a person should see it: its own lines, and an error's message instead of a traceback."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from infra.errors import UserError

USER_ERROR = f"{UserError.__module__}.{UserError.__qualname__}"
CHAINED = ("During handling of", "The above exception")
UNHANDLED = "error: an unhandled error occurred:"
PROGRAM_FAILED = "python inline source runtime error: "


@dataclass
class OutputFilter:
    """Passes the engine's lines on, with a Python traceback reduced to the message at its end."""

    write: Callable[[str], None]
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
        plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
        text = plain.lstrip()
        indent = len(plain) - len(text)
        if text.startswith(UNHANDLED):
            self._repeating = True
        elif self._repeating and (not text or text.startswith(("error:", "warning:"))):
            self._repeating = False
        if self._repeating or " running error: " in text:  # a progress line: the same stands in the diagnostics
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
        self.write(line)

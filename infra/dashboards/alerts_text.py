"""What an alert's annotations say: the part of Grafana's templates that alerts_rules.py uses, and nothing beyond.

Functions as Prometheus documents them ("Template reference"), which Grafana takes over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

_ACTION = re.compile(r"\{\{(.*?)\}\}")
_WORD = re.compile(r'"[^"]*"|\S+')


def percentage(value: float) -> str:
    """0.0213 as 2.13%."""
    return f"{value * 100:.4g}%"


def duration(seconds: float) -> str:
    """754 as 12m 34s."""
    if abs(seconds) < 60:
        return f"{seconds:.4g}s"
    sign, left, parts = "-" if seconds < 0 else "", int(abs(seconds)), list[str]()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        number, left = divmod(left, size)
        if number or parts:
            parts.append(f"{number}{unit}")
    return sign + " ".join(parts)


FUNCTIONS: Mapping[str, Callable[..., str]] = {
    "humanizePercentage": percentage,
    "humanizeDuration": duration,
    "printf": lambda form, value: form % value,
    "urlquery": quote_plus,
}


def fill(template: str, labels: Mapping[str, str], value: float, external_url: str) -> str:
    """The text. Raises KeyError for a label that is not there or a function that is not known."""

    def term(word: str) -> Any:
        if word.startswith('"'):
            return word[1:-1]
        if word.startswith("$labels."):
            return labels[word.removeprefix("$labels.")]
        if word == "$values.B.Value":
            return value
        if word == "externalURL":
            return external_url
        raise KeyError(word)

    def action(match: re.Match[str]) -> str:
        piped: list[Any] = []
        for part in match[1].split("|"):
            first, *rest = _WORD.findall(part)
            piped = [FUNCTIONS[first](*map(term, rest), *piped)] if first in FUNCTIONS else [term(first)]
        return str(piped[0])

    return _ACTION.sub(action, template)

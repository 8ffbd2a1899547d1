"""What Grafana and its ClickHouse plugin make of a query's text before ClickHouse sees it: variables and macros.

As documented: variables by Grafana ("Variable syntax": singlequote; a custom all value is put as it is), macros by the
plugin ("Macros" in its README). Stricter than Grafana: a backslash in a value is escaped, and a
macro in it is text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from infra.templates import sql_string

Value = str | Sequence[str]


@dataclass(frozen=True)
class All:
    """The choice All of a variable with a custom all value."""

    text: str


@dataclass(frozen=True)
class View:
    """What a person looks at: a time range, the width of a point, and the variables."""

    start: datetime
    end: datetime
    interval_s: int = 60
    variables: Mapping[str, Value | All] = field(default_factory=dict)


def expand(text: str, view: View) -> str:
    """The statement that ClickHouse gets. Raises KeyError for an unknown variable or macro."""
    # Macros first: what a value says is never expanded.
    return re.sub(
        r"\$\{(\w+)(?::(\w+))?\}", lambda match: _variable(view.variables[match[1]], match[2]), _macros(text, view)
    )


def _variable(value: Value | All, form: str | None) -> str:
    if isinstance(value, All):
        return value.text
    if form != "singlequote":
        raise KeyError(f"the format {form} of a variable")
    values = [value] if isinstance(value, str) else value
    return ",".join(map(sql_string, values))


def _macros(text: str, view: View) -> str:
    start, end = (f"toDateTime({int(at.astimezone(UTC).timestamp())})" for at in (view.start, view.end))
    with_argument = {
        "timeFilter": lambda column: f"{column} >= {start} AND {column} <= {end}",
        "timeInterval": lambda column: f"toStartOfInterval(toDateTime({column}), INTERVAL {view.interval_s} second)",
    }
    plain = {"fromTime": start, "toTime": end, "interval_s": str(view.interval_s)}
    text = re.sub(r"\$__(\w+)\((\w+)\)", lambda match: with_argument[match[1]](match[2]), text)
    text = re.sub(r"\$__(\w+)", lambda match: plain[match[1]], text)
    if left := re.search(r"\$(?:\w|\{\w*[^\w:}]).{0,40}", text):
        raise KeyError(f"neither a variable nor a macro: {left[0]}")
    return text

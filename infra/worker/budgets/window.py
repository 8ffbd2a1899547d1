"""A budget's window: rolling, a calendar day or month in UTC, or a run's life. Times are Unix seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

MINUTE, HOUR, DAY = 60, 3600, 86_400
UNITS = {"m": MINUTE, "h": HOUR, "d": DAY}
LONGEST = 31 * DAY
LIFE = DAY
"""A run's life counts as far as it lies within this."""
PATTERN = re.compile(r"([1-9][0-9]{0,4})([mhd])")
SYNTAX = "1m to 31d (15m, 6h, 7d), day, month or run"


@dataclass(frozen=True)
class Window:
    """Over what a budget counts."""

    kind: Literal["rolling", "day", "month", "run"]
    seconds: int
    """Of a rolling one; of the others the longest that they can be."""

    def bounds(self, now: int) -> tuple[int, int | None]:
        """From when on, and until when (None: no end), at the time `now`. Whole minutes: a rolling window holds the current
        minute and as many whole ones as it names."""
        if self.kind in ("rolling", "run"):
            return now - now % MINUTE - self.seconds, None
        first = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.kind == "day":
            return int(first.timestamp()), int(first.timestamp()) + DAY
        first = first.replace(day=1)
        following = (first + timedelta(days=32)).replace(day=1)
        return int(first.timestamp()), int(following.timestamp())


def parse(text: str) -> Window:
    """The window that `text` names. Raises ValueError."""
    if text == "run":
        return Window("run", LIFE)
    if text == "day":
        return Window("day", DAY)
    if text == "month":
        return Window("month", LONGEST)
    found = PATTERN.fullmatch(text)
    if found is None:
        raise ValueError(f"has to be {SYNTAX}")
    seconds = int(found[1]) * UNITS[found[2]]
    if seconds > LONGEST:
        raise ValueError(f"has to be {SYNTAX}")
    return Window("rolling", seconds)

"""Grafana's way of naming times in an address (now-6h, milliseconds since 1970, ISO 8601), and how wide a point is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from infra.errors import UserError

RELATIVE = re.compile(r"now(?:-(\d{1,6})([smhdwMy]))?")
UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "M": timedelta(days=30),
    "y": timedelta(days=365),
}
POINTS = 120
"""A line has at most about this many points: more than a panel has room for tells no more."""
INTERVALS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
LONGEST = timedelta(days=10 * 365)


@dataclass(frozen=True)
class TimeRange:
    """From when to when."""

    start: datetime
    end: datetime

    def interval_s(self, least: int = 1) -> int:
        """A point's width in seconds: a round one, and not below `least`."""
        wanted = (self.end - self.start).total_seconds() / POINTS
        return next((width for width in INTERVALS if width >= max(wanted, least)), INTERVALS[-1])


def time_range(start: str, end: str, now: datetime) -> TimeRange:
    """The range that `start` and `end` name. Raises UserError."""
    found = TimeRange(moment("from", start, now), moment("to", end, now))
    if not timedelta() < found.end - found.start <= LONGEST:
        raise UserError(f"from {start} to {end}: the range has to begin before it ends, at most ten years before")
    return found


def moment(key: str, text: str, now: datetime) -> datetime:
    """The time that `text` names. Raises UserError that begins with `key`."""
    try:
        if match := RELATIVE.fullmatch(text):
            return now - int(match[1] or 0) * UNITS[match[2] or "s"]
        if re.fullmatch(r"\d{1,15}", text):
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        # An address carries + as a space.
        found = datetime.fromisoformat(text.replace(" ", "+") if re.search(r" \d\d:?\d\d$", text) else text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        raise UserError(
            f"{key}: found {text!r}: write now, now-6h (s, m, h, d, w, M, y), milliseconds since 1970, or 2026-01-31T12:00:00Z"
        ) from None


def seconds(text: str) -> int:
    """A panel's or a refresh's interval (10s, 1m, 2h) in seconds; 0 for none."""
    match = re.fullmatch(r"(\d+)([smhd])", text)
    return int(match[1]) * int(UNITS[match[2]].total_seconds()) if match else 0

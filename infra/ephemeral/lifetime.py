"""How long an ephemeral stack lives: `8h` as a person writes it, and the time at which it ends."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from infra.errors import UserError

UNITS = {"d": "days", "h": "hours", "m": "minutes"}
TTL = re.compile(r"(?:(?P<d>\d{1,4})d)?(?:(?P<h>\d{1,4})h)?(?:(?P<m>\d{1,4})m)?")
FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def parse_ttl(text: str, longest_hours: int) -> timedelta:
    """`90m`, `8h`, `1d12h`. Raises UserError for what is no time, nothing, or more than `longest_hours`."""
    found = TTL.fullmatch(text.strip())
    if not text.strip() or found is None:
        raise UserError(f"--ttl {text!r}: a time like 90m, 8h or 1d12h is expected")
    ttl = timedelta(**{UNITS[unit]: int(count) for unit, count in found.groupdict().items() if count})
    if not ttl:
        raise UserError(f"--ttl {text!r}: a stack that ends at once is never up; the least is 1m")
    if ttl > timedelta(hours=longest_hours):
        raise UserError(
            f"--ttl {text!r}: the most is {longest_hours}h (maximumHours in configs/ephemeral.yaml): run `up` again to "
            "extend it, or make a stack of its own with `telemetry up`"
        )
    return ttl


def written(moment: datetime) -> str:
    """As the setting expiresAt has it."""
    return moment.astimezone(UTC).strftime(FORMAT)


def read(text: str) -> datetime | None:
    """The moment; None for what is none, as somebody's own tag may be."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def shown(span: timedelta) -> str:
    """`2d 3h`, `5h 10m`, `12m`; with a minus when it is over."""
    minutes = round(abs(span).total_seconds() / 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    text = f"{days}d {hours}h" if days else f"{hours}h {minutes % 60}m" if hours else f"{minutes}m"
    return f"-{text}" if span < timedelta() and minutes else text

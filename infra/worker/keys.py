"""The unit of all repairs: one tenant's minute; how it is named in SQL, and how many go into one statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from infra.templates import sql_string

KEYS_PER_STATEMENT = 2_000
SPANS_PER_STATEMENT = 1_000_000
"""Rows of raw that one recomputing statement reads at most, unless a single minute has more."""
DAY = 86_400


class Key(NamedTuple):
    """One tenant's minute of span start time."""

    tenant_id: str
    minute: int
    """The minute's start, Unix seconds."""

    @property
    def time(self) -> datetime:
        """The minute's start in UTC."""
        return datetime.fromtimestamp(self.minute, UTC)


def key_at(tenant_id: str, when: datetime) -> Key:
    """The key of the minute that holds `when`; a time without a zone is UTC."""
    seconds = int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
    return Key(tenant_id, seconds - seconds % 60)


def sql_tenants(keys: Iterable[Key]) -> str:
    """The keys' tenants as the inside of an IN ( … )."""
    return ", ".join(sql_string(tenant) for tenant in sorted({key.tenant_id for key in keys}))


def sql_tuples(keys: Iterable[Key]) -> str:
    """The keys as the inside of `(tenant_id, toUnixTimestamp(minute)) IN ( … )`."""
    return ", ".join(f"({sql_string(key.tenant_id)}, {key.minute})" for key in keys)


def batches(sized: Iterable[tuple[Key, int]]) -> Iterator[list[Key]]:
    """The keys in minute order, in lists that read a bounded number of raw rows from one day each."""
    batch: list[Key] = []
    rows = 0
    for key, size in sorted(sized, key=lambda item: (item[0].minute, item[0].tenant_id)):
        full = len(batch) >= KEYS_PER_STATEMENT or rows + size > SPANS_PER_STATEMENT
        if batch and (full or batch[0].minute // DAY != key.minute // DAY):
            yield batch
            batch, rows = [], 0
        batch.append(key)
        rows += size
    if batch:
        yield batch


def bounds(keys: Sequence[Key]) -> tuple[int, int]:
    """From the first minute's start to the last minute's end, Unix seconds."""
    minutes = [key.minute for key in keys]
    return min(minutes), max(minutes) + 60

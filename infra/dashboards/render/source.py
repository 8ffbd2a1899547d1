"""ClickHouse as the page asks it: by the user who can only read, a few statements at once, each with a time limit."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter

USER = "dashboards"
AT_ONCE = 4
CONNECT_SECONDS = 2
STATEMENT_SECONDS = 28
"""Then the connection is closed, which ends the statement. The user's own limit in users.xml is a little longer."""
KEPT_SECONDS = 2.0
"""Panels that ask the same thing at the same moment are answered by one statement."""
KEPT = 256


class QueryError(Exception):
    """What ClickHouse, or the way to it, said instead of an answer."""


@dataclass(frozen=True)
class Column:
    """A column's name and what kind of value it holds: time, number, string or other."""

    name: str
    kind: str


@dataclass(frozen=True)
class Frame:
    """A statement's answer: times in milliseconds since 1970, numbers as numbers."""

    columns: list[Column]
    rows: list[list[Any]]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For the browser."""
        return {
            "columns": [{"name": column.name, "kind": column.kind} for column in self.columns],
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
        }


@dataclass
class Source:
    """A ClickHouse's HTTP interface."""

    url: str
    _kept: dict[str, tuple[float, Future[Frame]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, "query")
        self._session = requests.Session()
        self._session.mount("http://", HTTPAdapter(pool_maxsize=AT_ONCE))
        # Not through a proxy of the environment: it is this machine.
        self._session.trust_env = False

    def ask(self, statement: str) -> Future[Frame]:
        """The statement's answer to come; the future raises QueryError."""
        now = time.monotonic()
        with self._lock:
            kept = self._kept.get(statement)
            if kept and now - kept[0] < KEPT_SECONDS:
                return kept[1]
            if len(self._kept) > KEPT:
                self._kept = {text: item for text, item in self._kept.items() if now - item[0] < KEPT_SECONDS}
            future = self._threads.submit(self._ask, statement)
            self._kept[statement] = (now, future)
            return future

    def _ask(self, statement: str) -> Frame:
        began = time.monotonic()
        try:
            answer = self._session.post(
                self.url,
                params={"default_format": "JSONCompact"},
                headers={"X-ClickHouse-User": USER},
                data=statement.encode(),
                timeout=(CONNECT_SECONDS, STATEMENT_SECONDS),
            )
        except requests.ConnectionError:
            raise QueryError(f"ClickHouse does not answer on {self.url}; `telemetry status` says what runs") from None
        except requests.Timeout:
            raise QueryError(
                f"no answer within {STATEMENT_SECONDS} s, so it was ended; choose a shorter time range"
            ) from None
        except requests.RequestException as error:
            raise QueryError(str(error)) from None
        if answer.status_code != 200:
            raise QueryError(answer.text.strip().partition(" (version ")[0][:1000] or f"HTTP {answer.status_code}")
        try:
            found: Mapping[str, Any] = answer.json()
        except requests.JSONDecodeError:
            raise QueryError("the answer broke off") from None
        columns = [Column(item["name"], kind_of(item["type"])) for item in found["meta"]]
        readers = [READERS.get(column.kind) for column in columns]
        rows = [
            [read(value) if read and value is not None else value for read, value in zip(readers, row, strict=True)]
            for row in found["data"]
        ]
        return Frame(columns, rows, time.monotonic() - began)

    def close(self) -> None:
        """Takes no more statements."""
        self._threads.shutdown(wait=False, cancel_futures=True)


WRAPPED = re.compile(r"(?:LowCardinality|Nullable|SimpleAggregateFunction)\((?:\w+, )?(.+)\)")


def kind_of(declared: str) -> str:
    """What kind of value a ClickHouse type holds."""
    plain = declared
    while match := WRAPPED.fullmatch(plain):
        plain = match[1]
    if plain.startswith("Date"):
        return "time"
    if plain.startswith(("Int", "UInt", "Float", "Decimal")):
        return "number"
    return "string" if plain.startswith(("String", "FixedString", "Enum", "UUID", "Bool", "IPv")) else "other"


def _milliseconds(text: str) -> float:
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000


def _number(value: Any) -> float | int | None:
    # 64-bit integers arrive as text.
    if not isinstance(value, str):
        return value
    return int(value) if value.lstrip("-").isdigit() else _finite(float(value))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


READERS = {"time": _milliseconds, "number": _number}

"""The recorded workload sent again as new spans: other ids and times, every other byte as recorded."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from examples.agents.send import Request
from tests.workload import recorded

ID = 8
"""Bytes of an id that a mask changes: all of a span id, the first half of a trace id."""


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(body: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(number, begin, end) of each field of the message between `at` and `end`; of bytes fields their content."""
    while at < end:
        key, at = _varint(body, at)
        kind = key & 7
        if kind == 2:
            size, at = _varint(body, at)
        elif kind == 1:
            size = 8
        elif kind == 5:
            size = 4
        else:
            size = _varint(body, at)[1] - at
        yield key >> 3, at, at + size
        at += size


# The fields of opentelemetry.proto.trace.v1 that a replay changes, by their numbers.
SPAN_IDS = {1, 2, 4}
SPAN_TIMES = {7, 8}
SPAN_EVENT, EVENT_TIME = 11, 1
SPAN_LINK, LINK_IDS = 13, {1, 2}
SPAN_END = 8


@dataclass(frozen=True)
class Template:
    """A recorded trace request, and where its ids and times are: as numbers with a 1 at each of these places."""

    spans: int
    size: int
    body: int
    id_places: int
    time_places: int
    newest_ns: int
    """When its last span ended."""

    @classmethod
    def of(cls, request: Request) -> Template:
        """The template of one request."""
        body = request.body
        ids: list[int] = []
        times: list[int] = []
        newest = 0
        for _, begin, end in _fields(body, 0, len(body)):  # resource_spans
            for number, scope, scope_end in _fields(body, begin, end):
                if number != 2:
                    continue
                for inner, span, span_end in _fields(body, scope, scope_end):
                    if inner == 2:
                        newest = max(newest, _mark_span(body, span, span_end, ids, times))
        return cls(
            request.count,
            len(body),
            _number(body),
            _places(len(body), ids),
            _places(len(body), times),
            newest,
        )

    def stamped(self, mask: int, newest_ns: int) -> bytes:
        """The request with its ids changed by `mask` (8 bytes, not 0) and its last span ending at `newest_ns`.

        One xor and one addition over the whole request as a number: no field ever carries into the next.
        """
        moved = (self.body ^ (self.id_places * mask)) + self.time_places * (newest_ns - self.newest_ns)
        return moved.to_bytes(self.size, "little")


def _mark_span(body: bytes, begin: int, end: int, ids: list[int], times: list[int]) -> int:
    ended = 0
    for number, at, after in _fields(body, begin, end):
        if number in SPAN_IDS and after - at >= ID:
            ids.append(at)
        elif number in SPAN_TIMES:
            times.append(at)
            if number == SPAN_END:
                ended = int.from_bytes(body[at:after], "little")
        elif number == SPAN_EVENT:
            times += [place for inner, place, _ in _fields(body, at, after) if inner == EVENT_TIME]
        elif number == SPAN_LINK:
            ids += [
                place for inner, place, stop in _fields(body, at, after) if inner in LINK_IDS and stop - place >= ID
            ]
    return ended


def _number(body: bytes) -> int:
    return int.from_bytes(body, "little")


def _places(size: int, found: list[int]) -> int:
    marks = bytearray(size)
    for at in found:
        marks[at] = 1
    return _number(bytes(marks))


class Replay:
    """The workload without an end. Safe to share between threads."""

    def __init__(self, batch: int, spans: int = 20_000) -> None:
        self._templates = [Template.of(each) for each in recorded(spans, batch=batch) if each.signal == "traces"]
        self._lock = threading.Lock()
        self._at = 0
        self._mask = 0

    def take(self, newest_ns: int | None = None) -> Request:
        """The next request, its last span ending now (or at `newest_ns`). Ids are new with each round."""
        with self._lock:
            if self._at % len(self._templates) == 0:
                self._mask = secrets.randbits(64) | 1
            template, mask = self._templates[self._at % len(self._templates)], self._mask
            self._at += 1
        return Request("traces", template.spans, template.stamped(mask, newest_ns or time.time_ns()))

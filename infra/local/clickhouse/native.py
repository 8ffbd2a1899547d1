"""The Native format as protocol revisions from 54454 on frame it (clickhouse-go, and so Grafana's plugin).

chdb writes Native as for revision 0. The newer framing puts a block's info before it and one byte behind each
column's type, so that the columns' ends have to be found. Pure Python: for a panel's rows, not for exports.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from infra.local.clickhouse.errors import ServerError

REVISION = 54454
"""The first with a byte for a column's kind of serialization."""
_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""is_overflows 0, bucket_num -1, end: what the server writes for every block of a result."""
_WIDTHS = {
    "Bool": 1, "Enum8": 1, "Enum16": 2, "Date": 2, "Date32": 4, "DateTime": 4, "DateTime64": 8, "Time": 4,
    "Time64": 8, "UUID": 16, "IPv4": 4, "IPv6": 16, "Nothing": 1, "BFloat16": 2,
}  # fmt: skip
_QUOTED = re.compile(r"`(?:[^`\\]|\\.)*`|'(?:[^'\\]|\\.)*'")
_NUMBER = re.compile(r"U?Int(\d+)|Float(\d+)")


def reframe(data: bytes) -> bytes:
    """Blocks of revision 0 as blocks of revision 54454."""
    return b"".join(_blocks(memoryview(data)))


def _blocks(data: memoryview) -> Iterator[bytes | memoryview]:
    at = 0
    while at < len(data):
        start = at
        columns, at = _varint(data, at)
        rows, at = _varint(data, at)
        yield _BLOCK_INFO
        yield data[start:at]
        for _ in range(columns):
            start = at
            _, at = _text(data, at)
            kind, at = _text(data, at)
            yield data[start:at]
            yield b"\x00"
            start = at
            if rows:
                at = _skip(kind, data, _skip_prefix(kind, data, at), rows)
            yield data[start:at]


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _text(data: memoryview, at: int) -> tuple[str, int]:
    length, at = _varint(data, at)
    return bytes(data[at : at + length]).decode(), at + length


def _uint64(data: memoryview, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


@functools.lru_cache(1024)
def _parse(kind: str) -> tuple[str, tuple[str, ...]]:
    """A type's name and its arguments; a named tuple's elements lose their names."""
    name, bracket, rest = kind.partition("(")
    if not bracket or name.startswith(("Enum", "DateTime")):
        return name, ()
    body = rest[:-1]
    # Names of a tuple's elements and time zones are quoted and may hold brackets and commas.
    plain = _QUOTED.sub(lambda quoted: "q" * len(quoted.group()), body)
    arguments, depth, start = [], 0, 0
    for i, char in enumerate(plain):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            arguments.append(body[start:i].strip())
            start = i + 1
    arguments.append(body[start:].strip())
    if name in ("Tuple", "Nested"):
        arguments = [re.sub(r"^(?:`(?:[^`\\]|\\.)*`|\w+) (?=[A-Z])", "", argument) for argument in arguments]
    return name, tuple(arguments)


def _width(name: str, arguments: tuple[str, ...]) -> int | None:
    if found := _NUMBER.fullmatch(name):
        return int(found.group(1) or found.group(2)) // 8
    if name == "FixedString":
        return int(arguments[0])
    if name == "Decimal":
        return next(width for digits, width in ((9, 4), (18, 8), (38, 16), (76, 32)) if int(arguments[0]) <= digits)
    return 8 if name.startswith("Interval") else _WIDTHS.get(name)


def _inner(name: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """The types whose streams a composite type is made of."""
    if name == "SimpleAggregateFunction":
        return arguments[1:]
    return arguments if name in ("Nullable", "Array", "Map", "Tuple", "LowCardinality") else ()


def _skip_prefix(kind: str, data: memoryview, at: int) -> int:
    name, arguments = _parse(kind)
    if name == "LowCardinality":
        return at + 8
    for part in _inner(name, arguments):
        at = _skip_prefix(part, data, at)
    return at


def _skip(kind: str, data: memoryview, at: int, rows: int) -> int:
    """Where `rows` values of the type end."""
    if not rows:
        return at
    name, arguments = _parse(kind)
    width = _width(name, arguments)
    if width is not None:
        return at + width * rows
    if name == "String":
        for _ in range(rows):
            length, at = _varint(data, at)
            at += length
        return at
    if name == "Nullable":
        return _skip(arguments[0], data, at + rows, rows)
    if name in ("Array", "Map"):
        at += 8 * rows
        values = _uint64(data, at - 8)
        for part in arguments:
            at = _skip(part, data, at, values)
        return at
    if name in ("Tuple", "SimpleAggregateFunction"):
        for part in _inner(name, arguments):
            at = _skip(part, data, at, rows)
        return at
    if name == "LowCardinality":
        index_bytes = 1 << (data[at] & 0xFF)
        keys = _uint64(data, at + 8)
        at = _skip(re.sub(r"^Nullable\((.*)\)$", r"\1", arguments[0]), data, at + 16, keys)
        return at + 8 + index_bytes * _uint64(data, at)
    message = f"Type {kind} in Native for client_protocol_version {REVISION} and above: cast it, or use another FORMAT"
    raise ServerError.make(48, "NOT_IMPLEMENTED", message)

"""Writes the demo's export requests to a file: the recorded workload. `python -m examples.agents.record --help`.

The file: eight bytes of magic, then zlib-compressed records: number of spans or log records (4 bytes), signal
(1 byte: T traces, L logs), length (4 bytes), all little-endian, and that many bytes of an OTLP export request
(protobuf). The same seed, number of spans and start give the same bytes.
"""

from __future__ import annotations

import argparse
import struct
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from examples.agents import wire
from examples.agents.generate import generate
from examples.agents.send import Request

MAGIC = b"OTLPREC1"
_SIGNALS = {"traces": b"T", "logs": b"L"}
_SIGNAL_OF = {ord(tag): signal for signal, tag in _SIGNALS.items()}
_head = struct.Struct("<BI")


def record(spans: int, seed: int, start: datetime, hours: float = 6.0, batch: int = 500) -> Iterator[Request]:
    """The workload as requests of about `batch` spans; runs start within `hours` from `start`."""
    traces, logs = wire.Batch(), wire.Batch()
    for run in generate(seed, spans, start, start + timedelta(hours=hours)):
        for span in run.spans:
            traces.add(span)
        for event in run.events:
            logs.add(event)
        if traces.count >= batch:
            yield Request("traces", *traces.take())
        if logs.count >= batch:
            yield Request("logs", *logs.take())
    if traces.count:
        yield Request("traces", *traces.take())
    if logs.count:
        yield Request("logs", *logs.take())


def write(path: Path, requests: Iterable[Request]) -> None:
    """Writes `requests` to `path`, which appears only when it is complete."""
    packer = zlib.compressobj(3)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(MAGIC)
        for request in requests:
            head = _head.pack(_SIGNALS[request.signal][0], len(request.body))
            file.write(packer.compress(struct.pack("<I", request.count) + head + request.body))
        file.write(packer.flush())
    partial.replace(path)


def read(path: Path) -> Iterator[Request]:
    """The requests of a file that `write` made. Raises ValueError for another file."""
    data = path.read_bytes()
    if not data.startswith(MAGIC):
        raise ValueError(f"{path} is not a recorded workload (it begins with {data[:8]!r})")
    body = memoryview(zlib.decompress(data[len(MAGIC) :]))
    at = 0
    while at < len(body):
        (count,) = struct.unpack_from("<I", body, at)
        tag, length = _head.unpack_from(body, at + 4)
        at += 4 + _head.size
        yield Request(_SIGNAL_OF[tag], count, bytes(body[at : at + length]))
        at += length


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write the demo's OTLP requests to a file.")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--hours", type=float, default=6.0, help="length of the recorded window")
    parser.add_argument("--start", default="2026-11-01T00:00:00+00:00", help="its begin, ISO 8601 with zone")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    start = datetime.fromisoformat(given.start)
    if start.tzinfo is None:
        parser.error(f"--start {given.start}: add a zone, for example {given.start}+00:00")
    write(given.out, record(given.spans, given.seed, start, given.hours))
    print(f"{given.out}: {given.spans} spans, {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

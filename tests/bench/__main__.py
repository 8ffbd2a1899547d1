"""`python -m tests.bench [--only NAME ...] [--seconds N] [--cold]`: measures, and prints the figures with the machine."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from infra.clickhouse import connect
from infra.endpoints import Direct
from tests.bench import latency, throughput, ups
from tests.bench.report import Figure, Report
from tests.bench.stored import sql
from tests.stack import Stack

COLD = "cold"
PARTS = ("warm", "unchanged", "memory", "latency", "backlog", "sustained", "disk")
DEFAULT_SECONDS = 30.0
BACKLOG_SPANS_A_SECOND = 10_000
"""Of --seconds: spans that the backlog's topic is filled with, each time."""


ENOUGH_SPANS = 10_000
"""Below it a table's size is that of its files' headers."""


def _disk(stack: Stack) -> list[Figure]:
    """Bytes a span on disk after all that was sent, in raw and in everything together."""
    with connect(stack.clickhouse, Direct()) as client:
        sizes = {
            row[0]: (int(row[1]), int(row[2]), int(row[3])) for row in client.query(sql("table_sizes")).result_rows
        }
    spans = sizes.get("spans_raw", (0, 0, 0))[0]
    if spans < ENOUGH_SPANS:
        return []
    detail = {name: {"rows": rows, "bytes": size} for name, (rows, size, _) in sizes.items()}
    total = sum(size for _, size, _ in sizes.values())
    return [
        Figure("disk, spans_raw", round(sizes["spans_raw"][1] / spans, 1), "B/span", detail=detail),
        Figure("disk, all tables", round(total / spans, 1), "B/span"),
    ]


def _latency(stack: Stack, seconds: float) -> list[Figure]:
    figures, samples = latency.measure(stack, seconds)
    return figures + latency.memory_figures(f"at {latency.RATE:,.0f} spans/s", samples.highest())


def benchmarks(stack: Stack, seconds: float) -> dict[str, Callable[[], list[Figure]]]:
    """Every benchmark by name, in the order in which they run on one stack."""
    return {
        "warm": lambda: ups.warm(stack),
        "unchanged": lambda: ups.unchanged(stack),
        "memory": lambda: latency.memory_figures("idle", latency.idle_memory(stack)),
        "latency": lambda: _latency(stack, seconds),
        "backlog": lambda: throughput.backlog(stack, int(seconds * BACKLOG_SPANS_A_SECOND)),
        "sustained": lambda: throughput.sustained(stack, seconds / 2),
        "disk": lambda: _disk(stack),
    }


def main() -> int:
    """Runs what was asked for; 1 when something could not be measured. A missed target is no failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=[*PARTS, COLD], default=[], metavar="NAME", help=f"of {', '.join(PARTS)}"
    )
    parser.add_argument("--seconds", type=float, default=DEFAULT_SECONDS, help="length of the latency run (default 30)")
    parser.add_argument(
        "--cold", action="store_true", help="also `make up` on empty caches: some ten minutes, downloads"
    )
    given = parser.parse_args()
    names = [name for name in PARTS if name in (given.only or PARTS)]
    report = Report()
    if given.cold or COLD in given.only:
        _run(report, COLD, ups.cold)
    if names:
        with ups.new_stack() as stack:
            try:
                if "warm" not in names:
                    ups.warm(stack)
                for name, measure in benchmarks(stack, given.seconds).items():
                    if name in names:
                        _run(report, name, measure)
            except ups.UpFailed as error:
                report.fail("warm", str(error))
    report.show()
    return 1 if report.failures else 0


def _run(report: Report, name: str, measure: Callable[[], list[Figure]]) -> None:
    print(f"{name} ...", flush=True)
    began = time.monotonic()
    try:
        report.add(measure())
    except Exception as error:
        # One benchmark that breaks must not take the others' figures with it.
        report.fail(name, f"{type(error).__name__}: {error}")
        if name == "warm":
            raise ups.UpFailed("the other figures need a stack") from error
    print(f"  ({time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""Spans/s through all hops, and what a core stores from Kafka: with all rollups and with raw alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from clickhouse_connect.driver.client import Client

from examples.agents.send import Request
from infra.clickhouse import connect
from infra.endpoints import Direct
from tests.bench.parts import cpu_between, cpu_seconds, stopped
from tests.bench.replay import Replay
from tests.bench.report import Figure
from tests.bench.stored import sql, stored, wait_until_stored
from tests.bench.traffic import flood, produce
from tests.stack import Stack

BATCH = 900
AHEAD_SPANS = 1_000_000
"""Encoded at most before a run: about 1.4 KB each."""
DRAIN_SECONDS = 240.0
TOPIC = "otel-spans"
KAFKA_TABLE = "telemetry.kafka_spans"
CLICKHOUSE = "clickhouse"


def _encoded(spans: int) -> list[Request]:
    """New requests with `spans` spans or a few more, finished before the clock starts."""
    replay, found, count = Replay(BATCH), list[Request](), 0
    while count < spans:
        found.append(replay.take())
        count += found[-1].count
    return found


def sustained(stack: Stack, seconds: float) -> list[Figure]:
    """Pushes as fast as is acknowledged for `seconds` or AHEAD_SPANS, then waits until all of it is stored."""
    requests = _encoded(min(AHEAD_SPANS, int(seconds * 40_000)))
    with connect(stack.clickhouse, Direct()) as client:
        already = stored(client)
        before, began = cpu_seconds(stack.run), time.monotonic()
        totals = flood(stack.otlp.http_url, requests, seconds)
        acknowledged = time.monotonic()
        behind = already + totals.acknowledged - stored(client)
        done = wait_until_stored(client, already + totals.acknowledged, DRAIN_SECONDS)
        cpu = cpu_between(before, cpu_seconds(stack.run))
    detail = {
        "spans": totals.acknowledged,
        "refused": totals.refused,
        "retries": totals.retries,
        "spans_behind_at_the_last_answer": behind,
        "seconds_until_all_were_stored": round(done - began, 2),
        "cpu_seconds": cpu,
    }
    figures = [
        Figure(
            "all hops, stored until the lag is gone",
            round(totals.acknowledged / (done - began)),
            "spans/s",
            detail=detail,
        ),
        Figure(
            "all hops, acknowledged by the collector",
            round(totals.acknowledged / (acknowledged - began)),
            "spans/s",
        ),
    ]
    figures += [
        Figure(f"all hops, CPU of {part}", round(used / totals.acknowledged * 1e6, 2), "us/span")
        for part, used in cpu.items()
    ]
    return figures


@contextmanager
def _detached(client: Client, names: list[str]) -> Iterator[None]:
    """The tables or views do not exist during the block; they come back whatever happens."""
    try:
        for name in names:
            client.command(f"DETACH TABLE {name}")
        yield
    finally:
        for name in reversed(names):
            client.command(f"ATTACH TABLE IF NOT EXISTS {name}")


def _drain(stack: Stack, client: Client, spans: int, raw_only: bool) -> tuple[float, float, int]:
    """Wall seconds and ClickHouse's CPU seconds for reading a full topic, and the spans that were in it."""
    requests = _encoded(spans)
    with ExitStack() as restored:
        if raw_only:
            views = [f"telemetry.{row[0]}" for row in client.query(sql("views")).result_rows]
            restored.enter_context(_detached(client, views))
        with _detached(client, [KAFKA_TABLE]):
            already = stored(client, raw_only)
            written = produce(stack.kafka, TOPIC, stack.settings.kafkaPartitions, requests)
            before, began = cpu_seconds(stack.run)[CLICKHOUSE], time.monotonic()
        done = wait_until_stored(client, already + written, DRAIN_SECONDS, raw_only)
        used = cpu_seconds(stack.run)[CLICKHOUSE] - before
    return done - began, used, written


def backlog(stack: Stack, spans: int) -> list[Figure]:
    """Kafka to stored rows, a core: all tables and raw alone, in turn, each twice, the better one of both counts."""
    runs: dict[bool, list[tuple[float, float, int]]] = {False: [], True: []}
    with stopped(stack.run, "worker"), connect(stack.clickhouse, Direct()) as client:
        for raw_only in (False, True, False, True):
            runs[raw_only].append(_drain(stack, client, spans, raw_only))
    figures = []
    for raw_only, found in runs.items():
        kind = "raw alone" if raw_only else "all rollups"
        wall, cpu, count = min(found, key=lambda run: run[1] / run[2])
        detail = {"runs": [{"wall_s": round(w, 2), "cpu_s": round(c, 2), "spans": n} for w, c, n in found]}
        figures += [
            Figure(f"Kafka to stored rows a core, {kind}", round(count / cpu), "spans/s", detail=detail),
            Figure(f"Kafka to stored rows, {kind}", round(count / wall), "spans/s"),
        ]
    return figures

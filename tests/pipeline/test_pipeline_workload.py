"""The recorded workload through the whole pipeline: every figure equals its recomputation in plain Python."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from infra import otlp
from tests import workload
from tests.oracle import Oracle
from tests.pipeline.figures import expected, shown, unequal
from tests.pipeline.live import Pipeline, differences
from tests.pipeline.otlp_messages import span, traces

SPANS = 20_000
SEED = 11
MANY_SECONDS = 60.0


@dataclass
class Sent:
    """What was sent to a stack and what must come of it."""

    pipeline: Pipeline
    tenants: set[str]
    spans: int
    log_records: int
    wanted: dict[str, Any]
    start: datetime

    def stored(self) -> int:
        sql = "SELECT count() AS n FROM telemetry.spans_raw WHERE tenant_id IN {t:Array(String)}"
        return self.pipeline.rows(sql, t=sorted(self.tenants))[0]["n"]


@pytest.fixture(scope="module")
def sent(pipeline: Pipeline) -> Iterator[Sent]:
    """The workload, sent by four clients at once."""
    requests = workload.recorded(SPANS, SEED)
    bodies = [item.body for item in requests if item.signal == "traces"]
    oracle = Oracle(bodies)
    tenants = {row.tenant_id for row in oracle.spans}
    headers = pipeline.headers(*sorted(tenants))

    def send(item: Any) -> None:
        otlp.send(pipeline.stack.otlp.http_url, item.body, item.signal, headers)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, requests))
    records = sum(item.count for item in requests if item.signal == "logs")
    made = Sent(pipeline, tenants, len(oracle.spans), records, expected(oracle), workload.default_start())
    pipeline.until(
        lambda: made.stored() >= SPANS and pipeline.lag() == 0,
        lambda: f"{made.stored()} stored",
        MANY_SECONDS,
    )
    yield made


def test_rollups_and_runs_equal_the_recomputation_to_the_last_unit(sent: Sent) -> None:
    assert sent.spans == SPANS and len(sent.tenants) > 3
    assert unequal(shown(sent.pipeline, sent.tenants), sent.wanted) == {}


def test_every_log_record_is_an_event(sent: Sent) -> None:
    sql = "SELECT count() AS n FROM telemetry.events WHERE source = 'log' AND tenant_id IN {t:Array(String)}"
    sent.pipeline.until(
        lambda: sent.pipeline.rows(sql, t=sorted(sent.tenants))[0]["n"] == sent.log_records,
        f"{sent.log_records} records",
    )


def test_a_trace_is_found_by_its_index(sent: Sent) -> None:
    sql = "SELECT count() AS n, countIf(root_operation != '') AS rooted FROM telemetry.traces WHERE tenant_id IN {t:Array(String)}"
    (row,) = sent.pipeline.rows(sql, t=sorted(sent.tenants))
    runs = sent.wanted["runs"]
    assert row["n"] == len(runs)
    assert row["rooted"] == sum(1 for run in runs.values() if run[-1] != "running")


def test_the_command_line_s_audit_finds_no_difference(sent: Sent) -> None:
    sent.pipeline.until(lambda: sent.pipeline.lag() == 0, "lag 0")
    done = sent.pipeline.stack.telemetry("audit", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class Watcher:
    """Reads a window's totals again and again while something is done to it, and keeps every answer that differs."""

    def __init__(self, sent: Sent, sql: str) -> None:
        self.sent, self.sql = sent, sql
        self.right = self.read()
        self.wrong: list[Any] = []
        self.reads = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def read(self) -> Any:
        end = self.sent.start + timedelta(hours=8)
        parameters = {"t": sorted(self.sent.tenants), "from": self.sent.start - timedelta(hours=2), "to": end}
        return [tuple(row.values()) for row in self.sent.pipeline.rows(self.sql, **parameters)]

    def _run(self) -> None:
        while not self._stop.is_set():
            found = self.read()
            self.reads += 1
            if found != self.right:
                self.wrong.append(found)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


TOTALS = """
SELECT
    (SELECT (sum(spans), sum(errors)) FROM telemetry.spans_minute
     WHERE tenant_id IN {t:Array(String)} AND minute >= {from:DateTime} AND minute < {to:DateTime}) AS spans,
    (SELECT (sum(calls), sum(cost_usd), sum(tokens_prompt)) FROM telemetry.cost_minute
     WHERE tenant_id IN {t:Array(String)} AND minute >= {from:DateTime} AND minute < {to:DateTime}) AS cost,
    (SELECT sum(calls) FROM telemetry.tools_minute
     WHERE tenant_id IN {t:Array(String)} AND minute >= {from:DateTime} AND minute < {to:DateTime}) AS tools,
    (SELECT (sum(steps), sum(cost_usd)) FROM telemetry.runs_between(from = {from:DateTime}, to = {to:DateTime})
     WHERE tenant_id IN {t:Array(String)}) AS runs
"""


def test_a_backfill_under_load_shows_readers_neither_a_gap_nor_a_double(sent: Sent, tenant: str) -> None:
    pipeline = sent.pipeline
    live = span().start_time_unix_nano
    with Watcher(sent, TOTALS) as watched:
        first, end = sent.start + timedelta(hours=1), sent.start + timedelta(hours=3)
        window = ("--from", f"{first:%Y-%m-%dT%H:%M}", "--to", f"{end:%Y-%m-%dT%H:%M}")
        running = subprocess.Popen(
            pipeline.stack.command("backfill", *window),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **pipeline.stack.process_options,
        )
        load = 0
        while running.poll() is None:
            pipeline.send(traces(tenant, *(span("load", start_time_unix_nano=live) for _ in range(50))), tenant)
            load += 50
        said = running.communicate()[0]
    assert running.returncode == 0, said
    assert watched.reads > 5
    assert watched.wrong == [], f"of {watched.reads} reads; right is {watched.right}"
    rebuilt = "SELECT count() AS n FROM telemetry.rollup_generations WHERE tenant_id IN {t:Array(String)}"
    assert pipeline.rows(rebuilt, t=sorted(sent.tenants))[0]["n"] > 100, said
    assert unequal(shown(pipeline, sent.tenants), sent.wanted) == {}
    loaded = "SELECT sum(spans) AS n FROM telemetry.spans_minute WHERE tenant_id = {t:String}"
    pipeline.until(lambda: pipeline.rows(loaded, t=tenant)[0]["n"] == load, f"{load} live spans, each counted once")


def test_the_audit_names_a_planted_difference_exits_with_1_and_repairs_it(sent: Sent) -> None:
    pipeline = sent.pipeline
    victim = max(sent.wanted["spans"], key=lambda key: sent.wanted["spans"][key][0])[0]
    minute = next(key[2] for key in sent.wanted["spans_minute"] if key[0] == victim)
    planted = (
        "INSERT INTO telemetry.spans_minute_data (tenant_id, minute, generation, env, service_name, operation, spans) "
        "SELECT tenant_id, minute, max(generation), 'local', 'planted', 'planted', 7 FROM telemetry.spans_minute_data "
        "WHERE tenant_id = {t:String} AND minute = {m:DateTime} GROUP BY tenant_id, minute"
    )
    pipeline.client.command(planted, parameters={"t": victim, "m": minute})
    done = pipeline.stack.telemetry("audit", check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "telemetry audit --repair" in done.stderr
    repaired = pipeline.stack.telemetry("audit", "--repair", check=False)
    assert repaired.returncode == 0 and "1 minutes recomputed" in repaired.stdout, repaired.stdout + repaired.stderr
    assert unequal(shown(pipeline, sent.tenants), sent.wanted) == {}


def test_the_audit_names_rows_that_are_missing(proto: Pipeline, tenant: str) -> None:
    proto.send(traces(tenant, *(span() for _ in range(5))))
    row = proto.spans(tenant, 5)[0]
    place = {"p": row["partition"], "o": row["offset"]}
    mine = "FROM telemetry.span_keys WHERE tenant_id = {t:String}"
    taken = proto.client.query(f"SELECT * {mine}", parameters={"t": tenant})
    proto.client.command(f"DELETE {mine}", parameters={"t": tenant})
    try:
        report = proto.audit()
    finally:
        proto.client.insert("telemetry.span_keys", taken.result_rows, column_names=taken.column_names)
    assert not report.ok
    # The message may hold spans of others too (the worker's canary): the collector batches.
    assert any(f"{place['p']}/{place['o']}: " in text for text in differences(report)), differences(report)

"""With several nodes, each reader that others rely on catches up first; with one, it asks only what it always asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from clickhouse_connect.driver.client import Client

from infra.errors import UserError
from infra.postdeploy import migration_runner, reference_tables, retention
from infra.tenant_retention import rewrite, stored
from infra.tenant_retention.stored import Setting
from infra.worker import audit, audit_figures, audit_logs, audit_messages, backfill, redelivered, repair, results
from infra.worker.budgets import episodes
from infra.worker.budgets.evaluate import Evaluate
from infra.worker.budgets.notify import Notify
from infra.worker.keys import Key
from infra.worker.lease import Lease
from infra.worker.statements import ROLLUPS
from tests.unit.test_replicas import Answer

TABLES = ["spans_raw", "span_keys", "worker_results", "schema_migrations", "model_prices", "rollup_generations", "ingest_ledger",
          "spans_minute_data", "cost_minute_data", "tools_minute_data", "runs_data", "backfills", "budget_events",
          "budget_deliveries", "budget_base", "worker_leases", "tenants", "events_raw", "retention_changes"]  # fmt: skip


class Recorder:
    """Remembers every statement with its settings, in order; answers what it was given for a word of it, else nothing."""

    def __init__(self, several: bool, **answers: Sequence[tuple[Any, ...]]) -> None:
        self.several, self.answers = several, answers
        self.log: list[tuple[str, dict[str, Any]]] = []

    def query(self, sql: str, settings: dict[str, Any] | None = None, **_: Any) -> Answer:
        if "FROM system.databases" in sql:
            return Answer([("Replicated" if self.several else "Atomic",)])
        if "FROM system.replicas" in sql:
            return Answer(
                [(name, 3) for name in TABLES if f"'{name}'" in sql or "IN (" not in sql] if self.several else []
            )
        self.log.append((sql, settings or {}))
        for word, rows in self.answers.items():
            if word in sql:
                return Answer(rows)
        return Answer([])

    def command(self, sql: str, settings: dict[str, Any] | None = None) -> str:
        self.log.append((sql, settings or {}))
        return "1"

    def insert(self, table: str, *_: Any, settings: dict[str, Any], **__: Any) -> None:
        self.log.append((f"INSERT INTO {table}", settings))

    def first(self, word: str) -> int:
        """Where `word` is met first; StopIteration when it never is."""
        return next(number for number, (sql, _) in enumerate(self.log) if word in sql)

    def synced(self, table: str) -> int:
        return self.first(f"SYSTEM SYNC REPLICA telemetry.{table} ")


def client(recorder: Recorder) -> Client:
    return cast(Client, recorder)


HELD = cast(Lease, SimpleNamespace(held=lambda _: True))

READERS: list[tuple[Callable[[Recorder], Any], list[str], str, dict[str, Sequence[tuple[Any, ...]]]]] = [
    (lambda r: results.watermark(client(r)), ["worker_results", "span_keys"], "AS looked", {"looked": [(5,)]}),
    (
        lambda r: list(redelivered.find(client(r), 0, 1000)),
        ["span_keys", "ingest_ledger", "rollup_generations"],
        "uniqExact(span_key)",
        {"now64": [(1000,)], "HAVING count() > 1": [(0,)]},
    ),
    (lambda r: episodes.open_episodes(client(r)), ["budget_events"], "FROM telemetry.budget_events", {}),
    (lambda r: Lease("l", 0.1).held(client(r)), ["worker_leases"], "GROUP BY holder", {"now64": [(1000,)]}),
    (
        lambda r: Evaluate([], "test", False, HELD)(client(r)),
        ["budget_events"],
        "FROM telemetry.budget_events",
        {"now64": [(1000,)]},
    ),
    (
        lambda r: Notify("", list, HELD)(client(r)),
        ["budget_events", "budget_deliveries"],
        "FROM telemetry.budget_events",
        {"now64": [(1000,)]},
    ),
    (lambda r: repair.arrivals(client(r), [Key("a", 60)]), ["span_keys"], "max(ingest_ts)", {}),
    (lambda r: backfill.backfill(client(r), *WINDOW), ["backfills"], "HAVING countIf", {"now64": [(7_200_000,)]}),
    (
        lambda r: backfill.backfill(client(r), *WINDOW),
        ["spans_raw"],
        "AS rows\nFROM telemetry.spans_raw",
        {"now64": [(7_200_000,)]},
    ),
    (lambda r: migration_runner.read_record(client(r)), ["schema_migrations"], "statement_checksum", {}),
    (
        lambda r: reference_tables.load(client(r), "model_prices", "model_price", {}),
        ["model_prices"],
        "INSERT INTO",
        {},
    ),
    (lambda r: stored.settings(client(r)), ["tenants"], "FROM telemetry.tenants", {}),
    (lambda r: stored.stored(client(r), {"a": 1}), ["spans_raw", "events_raw"], "past_now", {}),
    (lambda r: rewrite.record(client(r), "a", 1), ["retention_changes"], "maxIf(until", {"maxIf(until": [(0,)]}),
    (lambda r: reference_tables.live_rows(client(r), "model_prices"), ["model_prices"], "formatRowNoNewline", {}),
]
WINDOW = (datetime(1970, 1, 1, 0, tzinfo=UTC), datetime(1970, 1, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(("read", "tables", "word", "answers"), READERS)
def test_it_catches_up_before_it_reads(read: Any, tables: list[str], word: str, answers: dict[str, Any]) -> None:
    recorder = Recorder(True, **answers)
    read(recorder)
    assert max(recorder.synced(table) for table in tables) < recorder.first(word)


@pytest.mark.parametrize(("read", "tables", "word", "answers"), READERS)
def test_one_node_is_asked_nothing_of_it(read: Any, tables: list[str], word: str, answers: dict[str, Any]) -> None:
    recorder = Recorder(False, **answers)
    read(recorder)
    assert recorder.first(word) >= 0
    assert not [sql for sql, settings in recorder.log if "SYSTEM SYNC" in sql or "insert_quorum" in settings]


def repaired(several: bool) -> Recorder:
    recorder = Recorder(several, now64=[(120_000,)])
    columns = dict.fromkeys(ROLLUPS, "`x`")
    repair.repair_batch(client(recorder), [Key("a", 60)], columns)
    return recorder


def test_a_repair_reads_what_every_node_had_and_is_shown_when_every_node_has_it() -> None:
    recorder = repaired(True)
    recomputed = [recorder.first(f"INSERT INTO telemetry.{table} ") for table in TABLES if table.endswith("_data")]
    flipped = recorder.first("INSERT INTO telemetry.rollup_generations")
    # After the moment from which rows may be missing in it.
    assert recorder.first("now64") < recorder.synced("spans_raw") < min(recomputed)
    assert recorder.synced("rollup_generations") < recorder.first("uniqMerge")
    assert len(recomputed) == 4 and max(recomputed) < flipped
    assert all(recorder.log[number][1]["insert_quorum"] == 3 for number in recomputed)
    assert "insert_quorum" not in recorder.log[flipped][1]


def test_on_one_node_a_repair_is_what_it_was() -> None:
    recorder = repaired(False)
    assert not [sql for sql, settings in recorder.log if "SYNC" in sql or "insert_quorum" in settings]


def test_an_audit_looks_after_the_node_has_what_was_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(True, now64=[(120_000,)])
    seen: list[int] = []

    def look(*given: Any) -> Any:
        seen.append(sum("SYSTEM SYNC REPLICA" in sql for sql, _ in recorder.log))
        for settle in given:
            if callable(settle) and settle.__name__ == "settle":
                settle()
        return []

    monkeypatch.setattr(audit_messages, "offsets", look)
    monkeypatch.setattr(audit_messages, "messages", look)
    monkeypatch.setattr(audit_messages, "dead_letters", lambda *given: look(*given) or "row")
    monkeypatch.setattr(audit_logs, "check", lambda *given: (look(*given) or "row", 0))
    monkeypatch.setattr(audit_figures, "check", lambda *given: look(*given) or audit_figures.Figures())
    monkeypatch.setattr(audit_figures, "rows", lambda *_: [])
    audit.audit(client(recorder), [], settle_seconds=0)
    assert seen[0] == len(TABLES), "before the first look"
    assert seen == sorted(seen) and seen[-1] > len(TABLES), "and before each second one"


def test_a_statement_is_recorded_on_every_node() -> None:
    recorder = Recorder(True, **{"startsWith(name": [], "now64": [(120_000,)]})
    migration_runner.apply_one(client(recorder), migration_runner.Migration(1, "0001_a", "metadata", "c", "SELECT 1"))
    created = recorder.first("ReplicatedMergeTree")
    assert recorder.first("SYSTEM SYNC DATABASE REPLICA telemetry") < created
    assert recorder.log[recorder.first("INSERT INTO schema_migrations")][1]["insert_quorum"] == 3


def test_terms_that_end_are_on_every_node_before_others_begin() -> None:
    recorder = Recorder(True, **{"maxIf(until": [(1,)]})
    reference_tables.load(client(recorder), "tenants", "tenant", {})
    rewrite.record(client(recorder), "a", 1)
    recorded = [number for number, (sql, _) in enumerate(recorder.log) if "INTO telemetry.retention_changes" in sql]
    assert recorded[0] < recorder.first("INSERT INTO telemetry.tenants") < recorded[1]
    assert all(recorder.log[number][1]["insert_quorum"] == 3 for number in recorded)


def test_a_setting_that_another_node_may_not_know_yet_is_waited_for() -> None:
    with pytest.raises(UserError, match="in 90 s"):
        rewrite.check_loaded(client(Recorder(True)), "a", Setting(5, 30))
    rewrite.check_loaded(client(Recorder(True)), "a", Setting(5, 120))
    rewrite.check_loaded(client(Recorder(True)), "a", None)
    rewrite.check_loaded(client(Recorder(False)), "a", Setting(5, 0))


def test_ttls_are_read_from_the_last_schema() -> None:
    recorder = Recorder(True)
    retention.live_ttls(client(recorder), ["spans_raw"])
    assert recorder.first("SYSTEM SYNC DATABASE REPLICA") < recorder.first("engine_full")

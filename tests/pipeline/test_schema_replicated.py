"""The schema of several nodes in the real engine, as far as one without a Keeper goes: it parses every statement, and
refuses each replicated table for the missing Keeper and for nothing before that (engine, arguments, keys, TTL, settings)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.aws.clickhouse.apply import databases
from infra.endpoints import KafkaAddress
from infra.local.toolchain import ensure
from infra.local.toolchain.builds import OTHER_ENGINES
from infra.paths import CONFIGS, SQL
from infra.postdeploy.statements import split
from infra.schema import template_values
from infra.templates import render, sql_string
from infra.worker.statements import text
from tests.pipeline.schema_engine import STORAGE
from tests.unit.aws.aws_settings import LARGE, settings

REPLICATION = CONFIGS / "clickhouse" / "aws" / "config.d" / "50-replication.xml"
FILES = [SQL / "postdeploy" / "schema_migrations.sql", *sorted((SQL / "migrations").glob("*.sql"))]
OTHERS = [*sorted((SQL / "ingest").glob("*.sql")), *sorted((SQL / "retention").glob("*.sql"))]
REWRITE = text("tenant_retention/rewrite", table="spans_raw", tenant="acme", days=10)
WORKER = [REWRITE, "SYSTEM SYNC REPLICA telemetry.spans_raw LIGHTWEIGHT", "SYSTEM SYNC DATABASE REPLICA telemetry"]


def statements(*paths: Path) -> list[str]:
    values = template_values(settings({**LARGE, "env": "dev"}), KafkaAddress("127.0.0.1:9092"), "")
    return [statement for path in paths for statement in split(render(path, values))]


def with_uuid(table: str) -> str:
    """As a Replicated database gives each table one; in another database the path's {uuid} is refused."""
    return re.sub(r"(CREATE TABLE IF NOT EXISTS telemetry\.\w+)", rf"\1 UUID '{uuid.uuid4()}'", table)


class Engine:
    """An engine with the nodes' macros and paths, and no Keeper."""

    def __init__(self, folder: Path, site: Path | None = None) -> None:
        values = {
            "host": "h",
            "node": "clickhouse-1",
            "shard": 1,
            "keepers": [],
            "database": "telemetry",
            "fsync": True,
        }
        ours = re.sub(
            r"(?s)<zookeeper>.*</zookeeper>|<interserver\w+>.*?</interserver\w+>", "", render(REPLICATION, values)
        )
        (folder / "config.d").mkdir()
        (folder / "config.xml").write_text(STORAGE.format(folder=folder))
        (folder / "config.d" / "50-replication.xml").write_text(ours)
        script = Path(__file__).parent / "engine_process.py"
        self.process = subprocess.Popen(
            [sys.executable, script, folder / "data", folder / "config.xml"],
            env={**os.environ, "PYTHONPATH": str(site)} if site else None,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def answer(self, sql: str) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"sql": sql}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=60)


@pytest.fixture(scope="module", params=["", *OTHER_ENGINES])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    site = (
        ensure([f"chdb-core-{request.param}"]).parts[f"chdb-core-{request.param}"].folder / "site"
        if request.param
        else None
    )
    made = Engine(tmp_path_factory.mktemp("engine"), site)
    made.answer("CREATE DATABASE telemetry")
    yield made
    made.stop()


def test_every_statement_is_parsed(engine: Engine) -> None:
    for statement in [*statements(*FILES, *OTHERS), *WORKER]:
        answer = engine.answer(f"SELECT formatQuery({sql_string(statement)}) AS written")
        assert "error" not in answer, answer["error"]
        assert ("Replicated" in answer["rows"][0]["written"]) == ("ENGINE = Replicated" in statement)


def test_a_replicated_table_lacks_nothing_but_the_keeper(engine: Engine) -> None:
    tables = [statement for statement in statements(*FILES) if "MergeTree" in statement]
    assert len(tables) > 15
    for statement in tables:
        answer = engine.answer(with_uuid(statement))
        assert "NO_ZOOKEEPER" in answer.get("error", ""), (answer, statement[:200])


def test_in_a_database_of_one_node_it_is_refused(engine: Engine) -> None:
    """A node whose database was not made by apply/databases.py would otherwise replicate with nobody."""
    answer = engine.answer(statements(*FILES)[0])
    assert "'uuid'" in answer["error"] and "Replicated database" in answer["error"]


def test_another_mistake_would_be_seen_before_the_keeper_is_missed(engine: Engine) -> None:
    """What makes the test above one that can fail."""
    (table,) = [statement for statement in statements(*FILES) if "EXISTS telemetry.rollup_generations" in statement]
    for before, after in {
        "MergeTree(generation)": "MergeTree(nothing)",
        "ORDER BY (minute": "ORDER BY (nothing",
        "TTL toDateTime(minute)": "TTL toDateTime(nothing)",
        "replicated_deduplication_window": "replicated_nothing",
    }.items():
        assert before in table
        answer = engine.answer(with_uuid(table.replace(before, after)))
        assert "nothing" in answer["error"] and "NO_ZOOKEEPER" not in answer["error"], (after, answer)


def test_a_database_of_several_nodes_lacks_nothing_but_the_keeper(engine: Engine) -> None:
    (made,) = [statement for statement in statements(*FILES) if statement.startswith("CREATE DATABASE")]
    assert "without ZooKeeper" in engine.answer(made)["error"]


def test_so_does_what_a_node_runs_to_join(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[str] = []
    answers = {"SELECT engine": "", "SELECT count()": "1"}

    def query(_: Any, sql: str, *__: Any) -> str:
        run.append(sql)
        return next((said for begin, said in answers.items() if sql.startswith(begin)), "")

    monkeypatch.setattr(databases, "query", query)
    databases._make({"name": "clickhouse-1", "shard": 1}, "elsewhere")
    (dropped,) = [sql for sql in run if sql.startswith("SYSTEM DROP")]
    (made,) = [sql for sql in run if sql.startswith("CREATE")]
    assert "error" not in engine.answer(f"SELECT formatQuery({sql_string(dropped)})")
    assert "without ZooKeeper" in engine.answer(made)["error"]
    assert "UNKNOWN_SETTING" in engine.answer(made.replace("logs_to_keep", "logs_to_forget"))["error"]

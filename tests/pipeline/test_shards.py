"""Two shards and one whole pipeline in one real engine, fed with the same messages: what is asked over the shards is what
the whole one answers.

The engine has no native port, so its cluster has itself twice. Each shard's tables have a database of their own, and
`telemetry` is, for the query that runs as shard 1 or 2, that shard's. What this can't show is the way between two
machines: sign-in, certificates, a node that is down.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from infra.dashboards.clickhouse import QUERIES, sql
from infra.dashboards.render.macros import View, expand
from infra.endpoints import KafkaAddress
from infra.local.toolchain import ensure
from infra.local.toolchain.builds import OTHER_ENGINES
from infra.paths import CONFIGS, SQL
from infra.postdeploy.reading import EQUAL, MERGED, reading_sql
from infra.postdeploy.statements import created, split
from infra.schema import template_values
from infra.shards import CLUSTER, over_all
from infra.templates import render
from infra.worker.statements import text
from tests.oracle import Oracle
from tests.pipeline.dashboard_data import HOURS, SPANS, fill, telling_trace
from tests.pipeline.dashboard_world import everything, six_hours
from tests.pipeline.otlp_messages import any_value, logs, span, traces
from tests.pipeline.schema_engine import FIELDS, READ, STORAGE, SchemaEngine
from tests.unit.aws.aws_settings import settings
from tests.workload import requests, to_json

SHARDS = ("shard_1", "shard_2")
NODE = "<shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard>"
SERVER = f"<tcp_port>9000</tcp_port><remote_servers><{CLUSTER}>{NODE * 2}</{CLUSTER}></remote_servers></clickhouse>"
OF_THE_NODE = {"health_disks", "health_merges", "health_parts", "health_per_million"}
"""They ask the node that answers about itself."""
BY_THE_CLOCK = {
    "overview_status",
    "health_collectors",
    "health_delay",
    "health_end_to_end",
    "health_partitions",
    "health_arrivals",
    "overview_live",
    "health_worker",
    "cost_month",
}
"""Their figures depend on the moment of asking, or of arrival: the same message came to each database at one of its own."""


def values(shard: int, since: list[list[int]], shards: int = 2, encoding: str = "otlp_proto") -> dict[str, Any]:
    """What fills the SQL of one shard; 0: of the whole pipeline."""
    found = settings(clickhouseShards=shards if shard else 1, kafkaEncoding=encoding, collectorAuth="jwt")
    filled = template_values(found, KafkaAddress("127.0.0.1:9092"), str(CONFIGS / "otlp"), max(shard, 1), since)
    filled["kafka"]["engine"] = "null"
    return {**filled, "database": f"shard_{shard}" if shard else "whole"}


class Shards(SchemaEngine):
    """Databases whole, shard_1 and shard_2, and what is asked instead of the latter two."""

    def __init__(
        self, folder: Path, encoding: str = "otlp_proto", site: Path | None = None, since: list[list[int]] | None = None
    ) -> None:
        self.folder, self.encoding, self.offset, self.site, self.kept = folder, encoding, 0, site, {}
        folder.mkdir(parents=True, exist_ok=True)
        text = STORAGE.format(folder=folder).replace("</clickhouse>", SERVER)
        (folder / "config.xml").write_text(text)
        self.start()
        self.query("SET distributed_product_mode = 'global'")
        own: dict[str, str] = {}
        for shard in (0, 1, 2):
            filled = values(shard, since or [], encoding=encoding)
            self.query(f"CREATE DATABASE {filled['database']}")
            for file in [*sorted((SQL / "migrations").glob("*.sql")), *sorted((SQL / "ingest").glob("*.sql"))]:
                for statement in split(render(file, filled)):
                    self.query(statement)
                    made = created(statement)
                    if made and made.database == "shard_1" and file.parent.name == "migrations":
                        own[made.name] = made.kind
        self.query("CREATE DATABASE telemetry")
        for name in own:
            if name not in (*MERGED, "tenant", "model_price"):
                parts = [f"SELECT * FROM {shard}.{name} WHERE shardNum() = {n}" for n, shard in enumerate(SHARDS, 1)]
                if name in EQUAL:
                    self.query(f"CREATE TABLE telemetry.{name} AS shard_1.{name} ENGINE = Merge('shard_1', '^{name}$')")
                else:
                    self.query(f"CREATE VIEW telemetry.{name} AS {' UNION ALL '.join(parts)}")
        for statement in split(reading_sql({**values(1, since or [], encoding=encoding), "database": "telemetry"})):
            self.query(statement)

    def into(
        self, database: str, message: bytes, topic: str, offset: int, at: datetime | None = None, partition: int = 0
    ) -> None:
        """What the Kafka table of `database` hands to its views for one message, taken by Kafka at `at` (now)."""
        path = self.folder / f"{topic}-{offset}.bin"
        path.write_bytes(message)
        column, schema = FIELDS[self.encoding, topic]
        format_name, extra = READ[self.encoding]
        if schema:
            extra += f", format_schema = '{CONFIGS / 'otlp' / 'otlp.proto'}:{schema}'"
        taken = f"fromUnixTimestamp64Milli({int(at.timestamp() * 1000)})" if at else "now64(3)"
        self.query(
            f"INSERT INTO {database}.kafka_{topic} ({column}, _topic, _partition, _offset, _timestamp_ms) "
            f"SELECT {column}, 'otel-{topic}', {partition}, {offset}, {taken} FROM file('{path}', {format_name}) "
            f"SETTINGS optimize_on_insert = 0, use_structure_from_insertion_table_in_table_functions = 1, {extra}"
        )

    def send(self, message: bytes, topic: str = "spans", offset: int | None = None, partition: int = 0) -> None:
        self.offset = self.offset + 1 if offset is None else offset
        for database in ("whole", *SHARDS):
            self.into(database, message, topic, self.offset, partition=partition)

    def both(self, text: str) -> tuple[list[str], list[str]]:
        """Rows of a query over the shards, and those that the whole pipeline gives."""
        return tuple(
            sorted(json.dumps(row, sort_keys=True, default=str) for row in map(_rounded, self.query(asked)))
            for asked in (over_all(text), text.replace("telemetry.", "whole."))
        )  # type: ignore[return-value]


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Sums of floats come out in the order of their summands."""
    return {name: float(f"{value:.9g}") if isinstance(value, float) else value for name, value in row.items()}


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle(requests(SPANS, hours=HOURS))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, oracle: Oracle) -> Iterator[Shards]:
    engine = Shards(tmp_path_factory.mktemp("shards"))
    fill(cast(SchemaEngine, Filled(engine)), next(row.tenant_id for row in oracle.spans))
    # A run whose root has not come yet.
    engine.send(traces("acme", span(parent_span_id=b"12345678")).SerializeToString())
    yield engine
    engine.stop()


class Filled:
    """The engine as tests/pipeline/dashboard_data.py fills it: what every shard has goes to all, what one worker writes to
    the first shard."""

    def __init__(self, engine: Shards) -> None:
        self.engine = engine
        self.send = engine.send

    def one(self, sql: str) -> dict[str, Any]:
        return self.engine.one(sql.replace("telemetry.", "whole."))

    def query(self, sql: str) -> list[dict[str, Any]]:
        table = re.match(r"INSERT INTO telemetry\.(\w+)", sql)
        everywhere = table is None or table[1] in (*EQUAL, "dead_letters")
        rows: list[dict[str, Any]] = []
        for database in ("whole", *(SHARDS if everywhere else SHARDS[:1])):
            sql = sql.replace("now64(3)", f"toDateTime64({int(time.time())}, 3)")
            own = sql.replace("INSERT INTO telemetry.", f"INSERT INTO {database}.").replace("telemetry.", "whole.")
            rows = self.engine.query(own)
        return rows


@pytest.fixture(scope="module")
def view(shards: Shards) -> View:
    return six_hours(everything(telling_trace(cast(SchemaEngine, Filled(shards)))))


def test_every_trace_lies_on_one_shard_and_both_have_some(shards: Shards, oracle: Oracle) -> None:
    first, second = (
        {row["id"] for row in shards.query(f"SELECT DISTINCT lower(hex(trace_id)) AS id FROM {shard}.spans_raw")}
        for shard in SHARDS
    )
    assert first | second > {row.trace_id.hex() for row in oracle.spans} and not first & second
    assert min(len(first), len(second)) > len(first | second) / 4


@pytest.mark.parametrize("name", sorted(path.stem for path in QUERIES.glob("*.sql")))
def test_a_dashboard_s_query_gives_the_same_over_the_shards(shards: Shards, view: View, name: str) -> None:
    # Of rows that are equal in what a query orders by, which ones a limit leaves is not told.
    text = re.sub(r"\nLIMIT \d+\s*$", "", sql(name))
    if name in OF_THE_NODE:
        assert over_all(text) == text or "telemetry." not in text.replace("'telemetry'", "")
        return
    now = datetime.now(UTC)
    arrived = replace(view, start=now - timedelta(hours=1), end=now + timedelta(minutes=1), interval_s=3600 * 24)
    answered = 0
    for looked in (view, arrived):
        over, whole = shards.both(expand(text, looked))
        answered += len(whole)
        if name not in BY_THE_CLOCK:
            assert over == whole
        else:
            assert len(over) == len(whole)
    assert answered, "nothing was compared"


@pytest.mark.parametrize("name", ["tool", "model"])
def test_runs_chosen_by_what_they_called_are_the_same_over_the_shards(shards: Shards, view: View, name: str) -> None:
    over, whole = shards.both(expand(sql(f"variable_{name}"), view))
    assert over == whole
    chosen = {**view.variables, name: [next(iter(json.loads(whole[0]).values()))]}
    over, whole = shards.both(expand(sql("agents_totals"), replace(view, variables=chosen)))
    assert over == whole and whole


def request(*spans: Any) -> bytes:
    return traces("acme", *spans).SerializeToString()


KEYS = "SELECT lower(hex(trace_id)) AS trace, lower(hex(span_id)) AS span FROM {database}.spans_raw"


@pytest.fixture(params=["otlp_proto", "otlp_json"])
def grown(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shards]:
    """Shards that were one until an hour ago."""
    began = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000)
    engine = Shards(tmp_path / "grown", request.param, since=[[0, 1], [began, 2]])
    yield engine
    engine.stop()


def test_each_message_is_judged_by_the_number_of_its_time_by_whoever_reads_it_whenever(grown: Shards) -> None:
    old, new = datetime.now(UTC) - timedelta(hours=2), datetime.now(UTC) - timedelta(minutes=1)
    sent = [(at, [span() for _ in range(20)]) for at in (old, new)]
    for offset, (at, spans) in enumerate(sent):
        body = request(*spans)
        body = body if grown.encoding == "otlp_proto" else to_json(body)
        # The second one reads everything again, as after an offset that was set back.
        for database in ("whole", *SHARDS, SHARDS[1], SHARDS[0]):
            grown.into(database, body, "spans", offset, at)
    stored = [{(row["trace"], row["span"]) for row in grown.query(KEYS.format(database=shard))} for shard in SHARDS]
    assert not stored[0] & stored[1] and len(stored[0] | stored[1]) == 40
    early = {each.trace_id.hex() for each in sent[0][1]}
    assert early <= {trace for trace, _ in stored[0]}, "there was one shard when these came"
    assert stored[1] and len(stored[0]) > 20, "later ones lie on both"
    rows = grown.query("SELECT count() AS n, uniqExact(span_key) AS keys FROM telemetry_all.span_keys")
    assert (int(rows[0]["n"]), int(rows[0]["keys"])) == (80, 40), "what came again lies beside what came first"


def test_both_encodings_divide_alike_and_records_without_a_trace_are_spread(tmp_path: Path) -> None:
    spans = [span() for _ in range(30)] + [span(trace_id=b"") for _ in range(30)]
    records = [LogRecord(time_unix_nano=time.time_ns() + n, body=any_value(f"line {n}")) for n in range(40)]
    kept: dict[str, list[Any]] = {}
    for encoding in ("otlp_proto", "otlp_json"):
        engine = Shards(tmp_path / encoding, encoding)
        try:
            bodies = {"spans": request(*spans), "events": logs("acme", *records).SerializeToString()}
            for topic, body in bodies.items():
                signal = "traces" if topic == "spans" else "logs"
                sent = body if encoding == "otlp_proto" else to_json(body, signal)
                for shard in SHARDS:
                    engine.into(shard, sent, topic, 1)
                    engine.into(shard, sent, topic, 1)
            for shard in SHARDS:
                ids = ", ".join(f"unhex('{each.trace_id.hex()}')" for each in spans[:30])
                found = engine.one(
                    f"SELECT (SELECT groupUniqArray(hex(trace_id)) FROM {shard}.spans_raw WHERE trace_id IN "
                    f"({ids})) AS traces, "
                    f"(SELECT uniqExact(span_id) FROM {shard}.spans_raw) AS spans, "
                    f"(SELECT groupUniqArray(JSONExtractString(payload_json, 'body')) FROM {shard}.events_raw) AS lines"
                )
                kept.setdefault(encoding, []).append(
                    [sorted(found["traces"]), int(found["spans"]), sorted(found["lines"])]
                )
        finally:
            engine.stop()
    first, second = kept["otlp_proto"]
    assert first[0] == kept["otlp_json"][0][0] and second[0] == kept["otlp_json"][1][0]
    for both in kept.values():
        assert both[0][1] + both[1][1] == 60 and min(both[0][1], both[1][1]) > 12
        lines = [set(shard[2]) for shard in both]
        assert not lines[0] & lines[1] and len(lines[0] | lines[1]) == 40 and min(map(len, lines)) > 8


def test_the_audit_counts_a_message_s_rows_over_all_shards(tmp_path: Path) -> None:
    engine = Shards(tmp_path / "audit")
    asked = {"since": 0, "shards": 2, "remembered": 0}
    try:
        for offset in range(4):
            engine.send(request(*(span() for _ in range(10))), offset=offset, partition=offset)
        (row,) = engine.query(text("audit/messages", **asked))
        assert [str(value) for value in list(row.values())[1:4]] == ["4", "40", "0"]
        # One that only the first shard has read is on its way; one whose rows are gone is missed.
        engine.into("shard_1", request(span(), span()), "spans", 9)
        lost = engine.one("SELECT count() AS n FROM shard_2.span_keys WHERE offset = 2")["n"]
        engine.query("ALTER TABLE shard_2.span_keys DELETE WHERE offset = 2 SETTINGS mutations_sync = 2")
        (row,) = engine.query(text("audit/messages", **asked))
        assert [str(value) for value in list(row.values())[1:4]] == ["4", "40", str(lost)] and int(lost) > 0
        for table in ("ingest_ledger", "dead_letters"):
            assert "_of_shards" in engine.one(f"SHOW CREATE telemetry_all.{table}")["statement"]
        shown = engine.one(
            "SELECT count() AS n, uniqExact(offset) AS messages, sum(spans) AS spans FROM telemetry_all.ingest_ledger WHERE offset < 9"
        )
        assert [int(value) for value in shown.values()] == [4, 4, 40], "each message once, with all of its spans"
    finally:
        engine.stop()


@pytest.mark.parametrize("version", OTHER_ENGINES)
def test_other_engines_answer_alike(version: str, tmp_path: Path) -> None:
    installed = ensure([f"chdb-core-{version}"]).parts[f"chdb-core-{version}"]
    engine = Shards(tmp_path, site=installed.folder / "site")
    try:
        for body in requests(400, hours=HOURS):
            engine.send(body)
        view = six_hours(everything("00" * 16))
        for name in (
            "overview_totals",
            "cost_by_model",
            "agents_runs",
            "slos_availability",
            "traces_search",
            "variable_agent",
        ):
            over, whole = engine.both(expand(re.sub(r"\nLIMIT \d+\s*$", "", sql(name)), view))
            assert over == whole and (whole or name == "slos_availability"), name
    finally:
        engine.stop()

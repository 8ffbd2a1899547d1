"""The whole schema in an engine with Null tables in place of the Kafka ones, fed with OTLP requests as messages."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.endpoints import KafkaAddress
from infra.paths import CONFIGS, SQL
from infra.schema import template_values
from infra.settings import Settings
from infra.templates import render

STORAGE = """<clickhouse><storage_configuration><disks>
<slow><type>local</type><path>{folder}/slow/</path></slow><s3><type>local</type><path>{folder}/s3/</path></s3></disks>
<policies><tiered><volumes><hot><disk>default</disk></hot><slow><disk>slow</disk></slow><s3><disk>s3</disk></s3></volumes>
</tiered></policies></storage_configuration></clickhouse>"""
READ = {
    "otlp_proto": ("ProtobufSingle", "input_format_protobuf_oneof_presence = 1"),
    "otlp_json": ("JSONEachRow", "input_format_json_read_numbers_as_strings = 1"),
}
FIELDS = {
    ("otlp_proto", "spans"): ("resource_spans", "TracesRequest"),
    ("otlp_proto", "events"): ("resource_logs", "LogsRequest"),
    ("otlp_json", "spans"): ("resourceSpans", ""),
    ("otlp_json", "events"): ("resourceLogs", ""),
}


def statements(text: str) -> list[str]:
    """The SQL file's statements, comments removed."""
    lines = [line for line in text.splitlines() if not line.strip().startswith("--")]
    return [part.strip() for part in re.split(r";\s*(?:\n|$)", "\n".join(lines)) if part.strip()]


def schema(encoding: str, prefix: str = "", **settings: Any) -> Iterator[str]:
    """What makes all of our tables, with Null ones in place of Kafka's. `prefix`: of the topics on shared brokers."""
    values = template_values(
        Settings.model_validate({"kafkaEncoding": encoding, **settings}),
        KafkaAddress("127.0.0.1:9092", prefix=prefix),
        str(CONFIGS / "otlp"),
    )
    values["kafka"]["engine"] = "null"
    yield "CREATE DATABASE IF NOT EXISTS telemetry"
    for file in [*sorted((SQL / "migrations").glob("*.sql")), *sorted((SQL / "ingest").glob("*.sql"))]:
        yield from statements(render(file, values))


class SchemaEngine:
    """An engine process with our tables, for one Kafka encoding."""

    def __init__(
        self, folder: Path, encoding: str, site: Path | None = None, prefix: str = "", **settings: Any
    ) -> None:
        self.prefix = prefix
        self.folder, self.encoding, self.offset, self.site = folder, encoding, 0, site
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.xml").write_text(STORAGE.format(folder=folder))
        self.start()
        for statement in schema(encoding, prefix, **settings):
            self.query(statement)

    def start(self) -> None:
        script = Path(__file__).parent / "engine_process.py"
        self.process = subprocess.Popen(
            [sys.executable, script, self.folder / "data", self.folder / "config.xml"],
            env={**os.environ, "PYTHONPATH": str(self.site)} if self.site else None,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=60)

    def query(self, sql: str) -> list[dict[str, Any]]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"sql": sql}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise AssertionError(f"{answer['error']}\n{sql[:2000]}")
        return answer["rows"]

    def one(self, sql: str) -> dict[str, Any]:
        rows = self.query(sql)
        assert len(rows) == 1, rows
        return rows[0]

    def send(self, message: bytes, topic: str = "spans", offset: int | None = None) -> None:
        """What Kafka's table would hand to its views for one message."""
        self.offset = self.offset + 1 if offset is None else offset
        path = self.folder / f"{topic}-{self.offset}.bin"
        path.write_bytes(message)
        column, schema = FIELDS[self.encoding, topic]
        format_name, extra = READ[self.encoding]
        if schema:
            extra += f", format_schema = '{CONFIGS / 'otlp' / 'otlp.proto'}:{schema}'"
        self.query(
            f"INSERT INTO telemetry.kafka_{topic} ({column}, _topic, _partition, _offset, _timestamp_ms) "
            f"SELECT {column}, '{self.prefix}otel-{topic}', 0, {self.offset}, now64(3) FROM file('{path}', {format_name}) "
            f"SETTINGS optimize_on_insert = 0, use_structure_from_insertion_table_in_table_functions = 1, {extra}"
        )

"""The same schema on the engines that production runs and on the newest one, with Null tables in place of the Kafka ones.

chdb-core from 26.3 on can't run Kafka tables. The engines lie in the toolchain's cache and are installed when missing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.toolchain import ensure
from infra.local.toolchain.builds import OTHER_ENGINES
from tests.pipeline.schema_engine import SchemaEngine
from tests.pipeline.test_schema import encode, span_request


@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
@pytest.mark.parametrize("version", OTHER_ENGINES)
def test_a_span_reaches_every_table(version: str, encoding: str, tmp_path: Path) -> None:
    installed = ensure([f"chdb-core-{version}"]).parts[f"chdb-core-{version}"]
    engine = SchemaEngine(tmp_path, encoding, site=installed.folder / "site")
    assert engine.query("SELECT version() AS version")[0]["version"].startswith(version.rpartition(".")[0])
    try:
        engine.query("INSERT INTO telemetry.tenants (tenant_id, keep_content) VALUES ('*', true)")
        engine.query("SYSTEM RELOAD DICTIONARIES")
        request = span_request(
            {
                "gen_ai.operation.name": "chat",
                "model": "m",
                "tokens.prompt": 5,
                "cost.usd": 0.5,
                "tool_name": "t",
                "gen_ai.input.messages": ["hi"],
                "nested": {"a": [1, "x"], "b": None},
            }
        )
        request.resource_spans[0].scope_spans[0].spans[0].events.add(
            name="exception",
            time_unix_nano=request.resource_spans[0].scope_spans[0].spans[0].start_time_unix_nano,
        )
        engine.send(encode(request, engine))
        counts = {
            table: int(engine.one(f"SELECT count() AS n FROM telemetry.{table}")["n"])
            for table in (
                "spans",
                "events",
                "content",
                "span_keys",
                "traces",
                "ingest_ledger",
                "spans_minute",
                "cost_minute",
                "tools_minute",
                "runs",
            )
        }
        assert counts == dict.fromkeys(counts, 1)
        span = engine.one("SELECT attributes, attributes_json, cost_usd FROM telemetry.spans")
        assert (span["attributes"]["nested"], span["cost_usd"]) == ('{"a":[1,"x"],"b":null}', 0.5)
        assert engine.one("SELECT cost_usd FROM telemetry.runs")["cost_usd"] == 0.5
    finally:
        engine.stop()

"""From an OTLP request to every table, both encodings: what arrives is what is stored, and nothing makes a view throw."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_ERROR
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from infra.schema import attribute_table
from tests.oracle_data import DATED
from tests.pipeline.otlp_messages import any_value, attributes, span, traces
from tests.pipeline.schema_engine import SchemaEngine

NOW = time.time_ns()
TRACE, SPAN, ROOT = bytes(range(16)), b"\1" * 8, b"\0" * 8


@pytest.fixture(scope="module", params=["otlp_proto", "otlp_json"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SchemaEngine]:
    # One of the two as on shared brokers: nothing that is stored knows of it.
    prefix = "pr-1." if request.param == "otlp_json" else ""
    engine = SchemaEngine(tmp_path_factory.mktemp(request.param), request.param, prefix=prefix)
    engine.query("INSERT INTO telemetry.tenants (tenant_id, retention_days, keep_content) VALUES ('keeper', 7, true)")
    engine.query(
        "INSERT INTO telemetry.model_prices (provider, model, valid_from, valid_to, input_usd_per_million, "
        "cached_usd_per_million, output_usd_per_million, reasoning_usd_per_million, source) "
        "VALUES ('', 'm-1', '2020-01-01', '2100-01-01', 2.5, 1.25, 10, NULL, 'test')"
    )
    engine.query("SYSTEM RELOAD DICTIONARIES")
    yield engine
    engine.stop()


def encode(request: Any, engine: SchemaEngine) -> bytes:
    """As the collector writes it: OTLP's JSON has hex ids where protobuf's own JSON has base64."""
    if engine.encoding == "otlp_proto":
        return request.SerializeToString()

    def fix(value: Any) -> Any:
        if isinstance(value, list):
            return [fix(item) for item in value]
        if not isinstance(value, dict):
            return value
        ids = ("traceId", "spanId", "parentSpanId")
        return {
            key: base64.b64decode(item).hex() if key in ids and isinstance(item, str) else fix(item)
            for key, item in value.items()
        }

    return json.dumps(fix(MessageToDict(request, use_integers_for_enums=True))).encode()


def span_request(
    span_attributes: dict[str, Any] | None = None, tenant: str | None = "acme", **fields: Any
) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    if tenant:
        resource_spans.resource.attributes.extend(attributes({"tenant.id": tenant, "service.name": "shop"}))
    span = resource_spans.scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = TRACE, SPAN, "step"
    span.start_time_unix_nano, span.end_time_unix_nano = NOW, NOW + 1_500_000_000
    span.attributes.extend(attributes(span_attributes or {}))
    for name, value in fields.items():
        setattr(span, name, value)
    return request


def stored(engine: SchemaEngine, request: Any) -> dict[str, Any]:
    """The row that a request of one span becomes."""
    engine.send(encode(request, engine))
    return engine.one(f"SELECT * FROM telemetry.spans_raw WHERE offset = {engine.offset}")


def test_an_attribute_of_every_kind_is_kept_as_text(engine: SchemaEngine) -> None:
    values = {
        "text": "é😀 'quoted' \\ /",
        "empty": "",
        "zero": 0,
        "int": -(2**63),
        "double": 0.30000000000000004,
        "no": False,
        "yes": True,
        "list": ['a/\\"b', 1, 2.5, False, ""],
        "nested": {
            "k": ']}},"bytes_value":""}',
            "n": {"deep": 1},
            "l": ["x"],
            "e": [],
            "o": {},
            "u": None,
            "v": [None, "value"],
        },
        "empty list": [],
        "empty kvlist": {},
    }
    got = stored(engine, span_request(values))["attributes"]
    expected = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    assert {k: v for k, v in got.items() if k not in ("list", "nested")} == {
        k: v for k, v in expected.items() if k not in ("list", "nested")
    }
    assert json.loads(got["list"]) == values["list"]
    nested = values["nested"]
    if engine.encoding == "otlp_json":  # there an unset item looks like an empty object
        nested = {**nested, "v": [{}, "value"]}
    assert json.loads(got["nested"]) == nested


def test_an_unset_value_differs_from_zero_and_empty(engine: SchemaEngine) -> None:
    got = stored(engine, span_request({"unset": None, "empty": "", "zero": 0}))["attributes"]
    assert got == {"unset": "null", "empty": "", "zero": "0"}


def test_an_attribute_of_a_megabyte_arrives_whole(engine: SchemaEngine) -> None:
    assert stored(engine, span_request({"big": "x" * 1_000_000}))["attributes"]["big"] == "x" * 1_000_000


ALIASES = [
    (column, entry["kind"], alias["name"], entry.get("values", {}))
    for column, entry in attribute_table()["columns"].items()
    for alias in entry["names"]
]


def test_every_spelling_lands_in_its_column(engine: SchemaEngine) -> None:
    request = ExportTraceServiceRequest()
    for index, (_, kind, name, _) in enumerate(ALIASES):
        value = {"tokens": 12, "usd": 0.25, "list": ["stop", "length"], "text": "some value"}[kind]
        one = span_request({name: value}, span_id=(index + 1).to_bytes(8, "big"))
        request.resource_spans.extend(one.resource_spans)
    engine.send(encode(request, engine))
    rows = engine.query(
        f"SELECT *, reinterpretAsUInt64(reverse(span_id)) AS n FROM telemetry.spans_raw "
        f"WHERE offset = {engine.offset} ORDER BY n"
    )
    wanted = {"tokens": 12, "usd": 0.25, "list": "stop,length", "text": "some value"}
    got = {(column, name): row[column] for (column, _, name, _), row in zip(ALIASES, rows, strict=True)}
    assert got == {(column, name): wanted[kind] for column, kind, name, _ in ALIASES}


def test_wild_values_become_null_and_are_named(engine: SchemaEngine) -> None:
    row = stored(
        engine,
        span_request(
            {
                "tokens.prompt": "12",
                "tokens.completion": float("nan"),
                "tokens.cached": -1,
                "cost.usd": "-0.5",
            },
            span_id=b"\0" * 8,
            trace_id=b"abc",
            end_time_unix_nano=5,
        ),
    )
    assert (row["tokens_prompt"], row["tokens_completion"], row["tokens_cached"]) == (12, None, None)
    assert row["cost_usd"] is None
    assert sorted(row["invalid_fields"]) == [
        "cost_usd",
        "end_ts",
        "span_id",
        "tokens_cached",
        "tokens_completion",
        "trace_id",
    ]
    assert row["duration_ms"] == 0


@pytest.mark.parametrize("start", [0, 2**64 - 1, 10_413_792_000 * 10**9, 1])
def test_an_unbelievable_time_makes_no_partition_of_its_own(engine: SchemaEngine, start: int) -> None:
    row = stored(engine, span_request(start_time_unix_nano=start, end_time_unix_nano=start))
    assert row["invalid_fields"] == ["start_ts", "end_ts"]
    days = engine.one("SELECT uniqExact(partition) AS n FROM system.parts WHERE table = 'spans_raw' AND active")
    assert int(days["n"]) <= 2


@pytest.mark.parametrize(
    ("attributes", "code", "source"),
    [
        ({}, 2, "failed"),
        ({}, 1, "unpriced"),
        ({"tokens.prompt": 7}, 2, "unpriced"),
        ({"tokens.prompt": "many"}, 2, "unpriced"),
        ({"cost.usd": 0.5}, 2, "reported"),
    ],
)
def test_a_call_that_failed_without_usage_is_no_unpriced_one(
    engine: SchemaEngine, attributes: dict[str, Any], code: int, source: str
) -> None:
    call = {"gen_ai.operation.name": "chat", "model": "nobody-knows", **attributes}
    request = span_request(call)
    request.resource_spans[0].scope_spans[0].spans[0].status.code = code  # pyright: ignore[reportAttributeAccessIssue]
    assert stored(engine, request)["cost_source"] == source


def test_what_the_agent_reports_wins_over_the_price_and_the_price_over_unknown(engine: SchemaEngine) -> None:
    call = {
        "gen_ai.operation.name": "chat",
        "model": "M-1-2024-08-06",
        "tokens.prompt": 1000,
        "tokens.completion": 100,
    }
    reported = stored(engine, span_request({**call, "cost.usd": "0.1234567890121"}))
    priced = stored(engine, span_request({**call, "tokens.cached": 400}))
    unpriced = stored(engine, span_request({**call, "model": "nobody-knows"}))
    no_call = stored(engine, span_request({"gen_ai.operation.name": "invoke_agent", "tokens.prompt": 7}))
    exact = (Decimal(600) * Decimal("2.5") + Decimal(400) * Decimal("1.25") + Decimal(100) * 10) / 1_000_000
    assert (reported["cost_source"], Decimal(str(reported["cost_usd"]))) == (
        "reported",
        Decimal("0.123456789012"),
    )
    assert (priced["cost_source"], Decimal(str(priced["cost_usd"]))) == ("priced", exact)
    assert (unpriced["cost_source"], unpriced["cost_usd"]) == ("unpriced", None)
    assert (no_call["cost_source"], no_call["is_inference"]) == ("none", False)


@pytest.mark.parametrize(
    ("model", "source"),
    [
        ("m-1-20240806", "priced"),
        ("m-1-latest", "priced"),
        ("m-1@20240806", "priced"),
        ("m-1-v2:0", "priced"),
        ("m-1-20240806-v1:0", "priced"),
        ("m-1-0613", "unpriced"),
        ("m-1-2", "unpriced"),
        ("m-1-v2", "unpriced"),
    ],
)
def test_a_models_build_has_its_price_another_number_is_another_model(
    engine: SchemaEngine, model: str, source: str
) -> None:
    call = {"gen_ai.operation.name": "chat", "model": model, "tokens.prompt": 10}
    assert stored(engine, span_request(call))["cost_source"] == source
    assert (DATED.sub("", model) == "m-1") == (source == "priced"), "the oracle says the same"


@pytest.mark.parametrize(
    ("statuses", "outcome"), [("EO", "error"), ("EU", "error"), ("OU", "ok"), ("UU", "ok"), ("OO", "ok")]
)
def test_of_several_roots_the_worst_says_how_a_run_ended(engine: SchemaEngine, statuses: str, outcome: str) -> None:
    trace = f"roots-{statuses}".encode().ljust(16, b"-")
    request = ExportTraceServiceRequest()
    for index, status in enumerate(statuses):
        one = span_request(tenant="roots", trace_id=trace, span_id=bytes([7, index] * 4))
        codes = {"E": Status.STATUS_CODE_ERROR, "O": Status.STATUS_CODE_OK, "U": Status.STATUS_CODE_UNSET}
        one.resource_spans[0].scope_spans[0].spans[0].status.code = codes[status]
        request.resource_spans.extend(one.resource_spans)
    engine.send(encode(request, engine))
    run = engine.one(f"SELECT outcome FROM telemetry.runs WHERE trace_id = '{trace.hex()}'")
    assert run["outcome"] == outcome


def test_a_span_without_a_resource_has_defaults(engine: SchemaEngine) -> None:
    row = stored(engine, span_request(tenant=None))
    assert (row["tenant_id"], row["service_name"], row["env"]) == ("default", "unknown", "local")


def test_prompts_stay_out_of_the_attributes_and_are_kept_only_where_wanted(engine: SchemaEngine) -> None:
    prompt = {"gen_ai.input.messages": "secret", "other": "1"}
    for tenant, kept in (("acme", 0), ("keeper", 1)):
        row = stored(engine, span_request(prompt, tenant=tenant, span_id=tenant.encode()[:8].ljust(8, b"x")))
        assert row["attributes"] == {"other": "1"}
        found = engine.query(f"SELECT name, text FROM telemetry.content WHERE tenant_id = '{tenant}'")
        assert found == [{"name": "gen_ai.input.messages", "text": "secret"}] * kept
    assert row["retention_days"] == 7


def test_an_exception_event_becomes_an_event_and_the_spans_error(engine: SchemaEngine) -> None:
    request = span_request()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.status.code = Status.STATUS_CODE_ERROR
    event = span.events.add(name="exception", time_unix_nano=NOW)
    event.attributes.extend(attributes({"exception.type": "ValueError", "exception.message": "no/thing"}))
    row = stored(engine, request)
    assert (row["status_code"], row["error_type"], row["exception_message"]) == (
        "error",
        "ValueError",
        "no/thing",
    )
    stored_event = engine.one(f"SELECT * FROM telemetry.events WHERE offset = {engine.offset} AND source = 'span'")
    assert (stored_event["event_type"], stored_event["span_id"]) == ("exception", SPAN.hex())
    assert json.loads(stored_event["payload_json"])["attributes"]["exception.message"] == "no/thing"


def test_a_log_record_becomes_an_event(engine: SchemaEngine) -> None:
    request = ExportLogsServiceRequest()
    resource_logs = request.resource_logs.add()
    resource_logs.resource.attributes.extend(attributes({"tenant.id": "acme"}))
    record = resource_logs.scope_logs.add().log_records.add()
    record.time_unix_nano, record.severity_number, record.event_name = (
        NOW,
        SEVERITY_NUMBER_ERROR,
        "budget.exceeded",
    )
    record.body.CopyFrom(any_value({"a": [{"b": [1, "x"]}]}))
    record.attributes.extend(attributes({"cost.usd": 0.5, "tokens.prompt": 3, "model": "m-1", "tool_name": "search"}))
    engine.send(encode(request, engine), "events")
    row = engine.one(f"SELECT * FROM telemetry.events WHERE offset = {engine.offset} AND source = 'log'")
    assert (row["event_type"], row["severity"], row["tenant_id"]) == ("budget.exceeded", "error", "acme")
    assert (row["cost_usd"], row["tokens_prompt"], row["model"], row["tool_name"]) == (
        0.5,
        3,
        "m-1",
        "search",
    )
    assert json.loads(row["payload_json"])["body"] == {"a": [{"b": [1, "x"]}]}


def test_an_empty_message_is_only_a_ledger_row(engine: SchemaEngine) -> None:
    engine.send(b"{}" if engine.encoding == "otlp_json" else b"")
    ledger = engine.query(f"SELECT spans, is_dead_letter FROM telemetry.ingest_ledger WHERE offset = {engine.offset}")
    assert all(row == {"spans": 0, "is_dead_letter": False} for row in ledger)
    assert engine.query(f"SELECT * FROM telemetry.spans_raw WHERE offset = {engine.offset}") == []


def test_what_kafka_could_not_parse_is_a_dead_letter_with_its_bytes(engine: SchemaEngine) -> None:
    engine.query(
        "INSERT INTO telemetry.kafka_spans (_topic, _partition, _offset, _error, _raw_message) "
        f"VALUES ('{engine.prefix}otel-spans', 3, 999001, 'broken', unhex('00ff'))"
    )
    row = engine.one("SELECT topic, partition, offset, error, hex(raw) AS raw FROM telemetry.dead_letters")
    assert row == {"topic": "otel-spans", "partition": 3, "offset": 999001, "error": "broken", "raw": "00FF"}
    assert engine.one("SELECT is_dead_letter FROM telemetry.ingest_ledger WHERE offset = 999001")["is_dead_letter"]


def test_a_span_at_ingest_has_the_columns_of_its_table(engine: SchemaEngine) -> None:
    """The migration and sql/macros/span_columns.sql say so each for itself: a repair and a view run the same SELECT on both."""

    def columns(table: str) -> dict[str, str]:
        found = engine.query(
            "SELECT name, type FROM system.columns WHERE database = 'telemetry' "
            f"AND table = '{table}' AND default_kind != 'ALIAS' ORDER BY position"
        )
        return {row["name"]: row["type"] for row in found}

    passing = columns("spans_in")
    assert [passing.pop(name)[:6] for name in ("events", "content", "events_content")] == ["Array("] * 3
    assert passing == columns("spans_raw")
    assert columns("logs_in").keys() == columns("events_raw").keys()


def test_a_span_sent_again_is_one_span_and_shows_in_span_keys(engine: SchemaEngine) -> None:
    request = span_request(trace_id=b"again-again-agai")
    stored(engine, request)
    stored(engine, request)
    where = f"trace_id = '{b'again-again-agai'.hex()}'"
    assert len(engine.query(f"SELECT * FROM telemetry.spans WHERE {where}")) == 1
    keys = engine.query(
        "SELECT count() AS n FROM telemetry.span_keys GROUP BY tenant_id, minute, span_key HAVING n > 1"
    )
    assert keys


def test_a_run_puts_its_spans_together_and_a_new_generation_replaces_the_minute(engine: SchemaEngine) -> None:
    trace = b"run-run-run-run-"
    tool = {"tool_name": "search", "agent_name": "a", "tool_arguments": "same"}
    call = {"gen_ai.operation.name": "chat", "model": "m-1", "tokens.prompt": 1_000_000}
    request = span_request({"agent_name": "planner"}, tenant="runner", trace_id=trace, span_id=b"\2" * 8)
    for index, values in enumerate([tool, tool, {**tool, "tool_arguments": "other"}, call]):
        child = span_request(
            values, tenant="runner", trace_id=trace, span_id=bytes([9, index] * 4), parent_span_id=b"\2" * 8
        )
        request.resource_spans.extend(child.resource_spans)
    engine.send(encode(request, engine))
    run = engine.one("SELECT * FROM telemetry.runs WHERE tenant_id = 'runner'")
    assert {key: run[key] for key in ("steps", "model_calls", "tool_calls", "loops", "outcome", "agent_name")} == {
        "steps": 5,
        "model_calls": 1,
        "tool_calls": 3,
        "loops": 1,
        "outcome": "ok",
        "agent_name": "planner",
    }
    assert (run["cost_usd"], run["tokens_prompt"]) == (2.5, 1_000_000)
    minute = engine.one("SELECT minute FROM telemetry.spans_minute WHERE tenant_id = 'runner' LIMIT 1")["minute"]
    engine.query(f"INSERT INTO telemetry.rollup_generations VALUES ('runner', '{minute}', 5, now64(3))")
    assert engine.query("SELECT * FROM telemetry.runs WHERE tenant_id = 'runner'") == []
    assert engine.query("SELECT * FROM telemetry.cost_minute WHERE tenant_id = 'runner'") == []


REQUESTS = {
    "root": ({}, {"parent_span_id": b""}, True),
    "asked by another process": ({}, {"kind": 2}, True),
    "a message taken": ({}, {"kind": 5}, True),
    "agent in the same process": ({"gen_ai.operation.name": "invoke_agent"}, {"kind": 1}, True),
    "agent by an older name": ({"openinference.span.kind": "AGENT"}, {}, True),
    "call of an agent elsewhere": ({"gen_ai.operation.name": "invoke_agent"}, {"kind": 3}, False),
    "model call": ({"gen_ai.operation.name": "chat", "model": "m-1"}, {"kind": 3}, False),
    "step": ({}, {"kind": 1}, False),
    "message sent": ({}, {"kind": 4}, False),
}
"""What a span is like, and whether objectives count it."""


def test_requests_are_told_from_what_happens_on_the_way(engine: SchemaEngine) -> None:
    spans = [
        span(name, values, **{"parent_span_id": b"\5" * 8, **fields}) for name, (values, fields, _) in REQUESTS.items()
    ]
    engine.send(encode(traces("asked", *spans), engine))
    found = engine.query("SELECT operation, entry FROM telemetry.spans_minute WHERE tenant_id = 'asked'")
    assert {row["operation"]: row["entry"] for row in found} == {name: entry for name, (*_, entry) in REQUESTS.items()}


def test_everything_is_still_there_after_a_restart(engine: SchemaEngine) -> None:
    engine.stop()
    engine.start()
    row = stored(
        engine,
        span_request({"gen_ai.operation.name": "chat", "model": "m-1", "tokens.completion": 1}, span_id=b"restart!"),
    )
    assert row["cost_source"] == "priced"

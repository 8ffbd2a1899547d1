"""Logs and span events become events; prompts and completions live apart from the numbers, where a tenant keeps them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from infra.paths import CONFIGS
from tests.pipeline.conftest import KEEPER
from tests.pipeline.live import Pipeline
from tests.pipeline.otlp_messages import any_value, attributes, logs, span, traces

EVENTS = "SELECT * FROM telemetry.events WHERE tenant_id = {tenant:String} ORDER BY event_ts"
CONTENT = (
    "SELECT name, text, source, position FROM telemetry.content FINAL "
    "WHERE tenant_id = {tenant:String} AND trace_id = unhex({trace:String}) ORDER BY position, name"
)
TABLE = yaml.safe_load((CONFIGS / "attributes.yaml").read_text())
CONTENT_NAMES = [item["name"] for item in [*TABLE["content"], *TABLE["tool_call_arguments"]]]


def record(name: str = "", body: Any = None, **fields: Any) -> LogRecord:
    made = LogRecord(event_name=name, time_unix_nano=time.time_ns(), **fields)
    made.body.CopyFrom(any_value(body))
    return made


def test_a_log_record_becomes_an_event_with_its_columns(pipeline: Pipeline, tenant: str) -> None:
    values = {
        "model": "m-1",
        "tool_name": "search",
        "tokens.prompt": 3,
        "tokens.completion": 4,
        "cost.usd": 0.5,
        "x": [1],
    }
    sent = record(
        "budget.exceeded",
        {"limit": 5, "who": ["planner"]},
        severity_number=17,
        trace_id=b"0123456789abcdef",
        span_id=b"01234567",
        attributes=attributes(values),
    )
    pipeline.send(logs(tenant, sent), tenant, signal="logs")
    (row,) = pipeline.wait_rows(EVENTS, tenant=tenant)
    assert (row["event_type"], row["source"], row["severity"]) == ("budget.exceeded", "log", "error")
    assert (row["trace_id"], row["span_id"]) == (b"0123456789abcdef".hex(), b"01234567".hex())
    assert (row["model"], row["tool_name"], row["tokens_prompt"], row["tokens_completion"]) == (
        "m-1",
        "search",
        3,
        4,
    )
    assert (float(row["cost_usd"]), row["env"], row["service_name"]) == (0.5, "local", "shop")
    payload = json.loads(row["payload_json"])
    assert payload["body"] == {"limit": 5, "who": ["planner"]}
    assert payload["attributes"]["x"] == "[1]"


def test_a_plain_log_line_has_its_text_and_severity(pipeline: Pipeline, tenant: str) -> None:
    pipeline.send(logs(tenant, record("", "line 1\nGrüße", severity_text="WARN")), tenant, signal="logs")
    (row,) = pipeline.wait_rows(EVENTS, tenant=tenant)
    assert (row["event_type"], row["severity"]) == ("log", "warn")
    assert json.loads(row["payload_json"])["body"] == "line 1\nGrüße"


def test_an_empty_log_record_and_one_without_a_time_are_kept(pipeline: Pipeline, tenant: str) -> None:
    unnamed = LogRecord()
    observed = LogRecord(observed_time_unix_nano=time.time_ns(), event_name="observed")
    pipeline.send(logs(tenant, unnamed, observed), tenant, signal="logs")
    rows = pipeline.wait_rows(EVENTS, 2, tenant=tenant)
    assert {row["event_type"] for row in rows} == {"log", "observed"}
    assert all(abs(row["event_ts"].timestamp() - time.time()) < 3700 for row in rows)


def test_a_log_sent_again_is_one_event(pipeline: Pipeline, tenant: str) -> None:
    request = logs(tenant, record("once", "text"))
    for _ in range(2):
        pipeline.send(request, tenant, signal="logs")
    pipeline.send(logs(tenant, record("last")), tenant, signal="logs")
    pipeline.until(
        lambda: (
            pipeline.rows("SELECT count() AS n FROM telemetry.events_raw WHERE tenant_id = {t:String}", t=tenant)[0][
                "n"
            ]
            >= 2
            and pipeline.lag() == 0
        ),
        "all of it",
    )
    assert [row["event_type"] for row in pipeline.rows(EVENTS, tenant=tenant)] == ["once", "last"]


def test_the_audit_counts_every_log_record_against_its_message(pipeline: Pipeline, tenant: str) -> None:
    request = logs(tenant, *(record(f"event {number}") for number in range(7)))
    for _ in range(2):
        pipeline.send(request, tenant, signal="logs")
    pipeline.wait_rows(EVENTS, 7, tenant=tenant)
    pipeline.client.command("OPTIMIZE TABLE telemetry.events_raw FINAL")
    found = {row.name: row for row in pipeline.audit().rows}
    for name in ("rows of messages otel-events", "log records in events"):
        assert found[name].difference == 0 and found[name].found >= 7, found[name]
    kept = (
        "SELECT uniqExact(log_key) AS distinct, count() AS arrived FROM telemetry.log_keys WHERE tenant_id = {t:String}"
    )
    assert pipeline.rows(kept, t=tenant) == [{"distinct": 7, "arrived": 14}]


def test_every_span_event_becomes_an_event_and_an_exception_the_spans_error(pipeline: Pipeline, tenant: str) -> None:
    sent = span("tool", {"tool_name": "search", "agent_name": "planner"})
    at = sent.start_time_unix_nano
    sent.status.code = 2  # type: ignore[assignment]
    sent.events.add(name="retry", time_unix_nano=at + 1000, attributes=attributes({"attempt": 2}))
    wrong = {
        "exception.type": "TimeoutError",
        "exception.message": "après 30 s",
        "exception.stacktrace": "at x",
    }
    sent.events.add(name="exception", time_unix_nano=at + 2000, attributes=attributes(wrong))
    sent.events.add(name="retry", time_unix_nano=at + 1000, attributes=attributes({"attempt": 2}))
    pipeline.send(traces(tenant, sent), tenant)
    rows = pipeline.wait_rows(EVENTS, 3, tenant=tenant)
    assert [(row["event_type"], row["severity"]) for row in rows] == [
        ("retry", ""),
        ("retry", ""),
        ("exception", "error"),
    ]
    assert all((row["source"], row["span_id"]) == ("span", sent.span_id.hex()) for row in rows)
    assert all((row["tool_name"], row["agent_name"]) == ("search", "planner") for row in rows)
    assert json.loads(rows[0]["payload_json"])["attributes"] == {"attempt": "2"}
    assert json.loads(rows[2]["payload_json"])["attributes"] == wrong
    row = pipeline.span(tenant)
    assert (row["error_type"], row["exception_message"]) == ("TimeoutError", "après 30 s")


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "dropped"])
def test_prompts_are_never_in_the_attributes_and_kept_only_for_who_wants_them(
    pipeline: Pipeline, tenant: str, keeps: bool
) -> None:
    owner = KEEPER if keeps else tenant
    # Names that end in .* stand for numbered messages.
    secret = {name.replace(".*", ".10.message.content"): f"secret of {name}" for name in CONTENT_NAMES}
    sent = span("chat", {**secret, "tokens.prompt": 5, "model": "m"})
    sent.events.add(name="gen_ai.choice", attributes=attributes({CONTENT_NAMES[0]: "secret in an event", "index": 0}))
    sent.events.add(name="gen_ai.choice", attributes=attributes({"gen_ai.prompt.0.content": "secret in another"}))
    pipeline.send(traces(owner, sent), owner)
    where = "trace_id = {trace:String}"
    (row,) = pipeline.wait_rows(
        f"SELECT attributes, tokens_prompt FROM telemetry.spans WHERE {where}", trace=sent.trace_id.hex()
    )
    assert row["attributes"] == {"tokens.prompt": "5", "model": "m"}
    assert row["tokens_prompt"] == 5, "the numbers stay"
    kept = pipeline.wait_rows(CONTENT, len(secret) + 2, tenant=owner, trace=sent.trace_id.hex()) if keeps else []
    if keeps:
        assert {item["name"]: item["text"] for item in kept if item["source"] == "span"} == secret
        events = [(item["position"], item["text"]) for item in kept if item["source"] == "event"]
        assert events == [(1, "secret in an event"), (2, "secret in another")]
    else:
        pipeline.until(lambda: pipeline.lag() == 0, "lag 0")
        assert pipeline.rows(CONTENT, tenant=owner, trace=sent.trace_id.hex()) == []
    sql = f"SELECT payload_json FROM telemetry.events WHERE {where}"
    stored = pipeline.wait_rows(sql, 2, trace=sent.trace_id.hex())
    assert "secret" not in str(stored) and len(stored) == 2


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "dropped"])
def test_a_models_event_has_its_prompt_in_the_body_and_that_is_content_too(
    pipeline: Pipeline, tenant: str, keeps: bool
) -> None:
    owner, trace = (KEEPER if keeps else tenant), tenant.encode().ljust(16, b"-")[:16]
    sent = record("gen_ai.user.message", {"content": "secret"}, trace_id=trace, span_id=b"01234567")
    sent.attributes.extend(attributes({"gen_ai.input.messages": "secret too", "llm.prompts.0.user": "secret three"}))
    sent.attributes.extend(attributes({"model": "m"}))
    pipeline.send(logs(owner, sent), owner, signal="logs")
    (row,) = pipeline.wait_rows(
        "SELECT payload_json, model FROM telemetry.events WHERE trace_id = {trace:String}", trace=trace.hex()
    )
    assert "secret" not in row["payload_json"] and row["model"] == "m"
    if keeps:
        kept = pipeline.wait_rows(CONTENT, 3, tenant=owner, trace=trace.hex())
        assert {item["name"]: item["text"] for item in kept} == {
            "gen_ai.input.messages": "secret too",
            "llm.prompts.0.user": "secret three",
            "gen_ai.user.message": '{"content":"secret"}',
        }
    else:
        pipeline.until(lambda: pipeline.lag() == 0, "lag 0")
        assert pipeline.rows(CONTENT, tenant=owner, trace=trace.hex()) == []

"""The examples, run as an agent's developer runs them: a process, the environment of any OpenTelemetry SDK, a stack."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from infra.paths import CONFIGS, ROOT
from tests.openai_stub import CACHED_TOKENS, COMPLETION_TOKENS, PROMPT_TOKENS, openai_stub
from tests.otlp_stub import otlp_stub
from tests.pipeline.live import Pipeline

RUN = """
    SELECT * FROM telemetry.runs WHERE tenant_id = {tenant:String}
"""
BURST = 20_000
REFUSALS = 4


def ran(module: str, pipeline: Pipeline, tenant: str, **more: str) -> str:
    """What the example printed, sent to this stack as this tenant."""
    headers = ",".join(f"{name}={quote(value)}" for name, value in pipeline.headers(tenant).items())
    told = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": pipeline.stack.otlp.http_url,
        "OTEL_EXPORTER_OTLP_HEADERS": headers,
        # With a token the tenant is who signed in: this one must not win.
        "OTEL_RESOURCE_ATTRIBUTES": f"tenant.id={'somebody' if pipeline.asks_for_tokens else tenant}",
        **more,
    }
    command = [sys.executable, "-m", module]
    done = subprocess.run(command, env={**os.environ, **told}, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "an SDK that drops or fails says so there"
    return done.stdout.strip()


def by_operation(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["gen_ai_operation"], []).append(row)
    return found


def test_the_plain_agent(pipeline: Pipeline, tenant: str) -> None:
    assert ran("examples.plain_agent", pipeline, tenant) == "Late: order 17, 3 days late"
    spans = by_operation(pipeline.spans(tenant, 6))
    assert {name: len(rows) for name, rows in spans.items()} == {"invoke_agent": 1, "chat": 3, "execute_tool": 2}
    every = [row for rows in spans.values() for row in rows]
    assert {(row["service_name"], row["agent_name"], row["agent_version"], row["workflow_id"]) for row in every} == {
        ("order-desk", "order-desk", "1.2.0", "late-orders")
    }
    assert {(row["session_id"], row["user_id"]) for row in every} == {("session-1", "user-1")}
    assert [row["finish_reason"] for row in spans["chat"]] == ["tool_calls", "tool_calls", "stop"]
    assert {row["cost_source"] for row in spans["chat"]} == {"reported"}
    failed, worked = spans["execute_tool"]
    assert (failed["status_code"], failed["error_type"]) == ("error", "ValueError")
    assert (worked["status_code"], worked["tool_name"]) == ("unset", "late_orders")
    tokens = sum(row["tokens_prompt"] + row["tokens_completion"] for row in spans["chat"])
    (run,) = pipeline.wait_rows(RUN, tenant=tenant)
    assert (run["steps"], run["model_calls"], run["tool_calls"], run["errors"]) == (6, 3, 2, 1)
    assert run["loops"] == 0, "the second call has other arguments"
    assert run["cost_usd"] == pytest.approx(Decimal(tokens) * Decimal("0.000002"))
    events = pipeline.rows("SELECT event_type FROM telemetry.events WHERE tenant_id = {tenant:String}", tenant=tenant)
    assert [event["event_type"] for event in events] == ["exception"]


def test_the_openai_agent(pipeline: Pipeline, tenant: str) -> None:
    with openai_stub() as url:
        told = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "key"}
        assert ran("examples.openai_agent", pipeline, tenant, **told) == "So: It is raining in Oslo."
    spans = by_operation(pipeline.spans(tenant, 4))
    assert {name: len(rows) for name, rows in spans.items()} == {"invoke_agent": 1, "chat": 2, "execute_tool": 1}
    first, second = spans["chat"]
    assert (first["finish_reason"], second["finish_reason"]) == ("tool_calls", "stop")
    for call in (first, second):
        assert call["provider"] == "openai" and call["model"].startswith("gpt-4o-mini")
        assert (call["tokens_prompt"], call["tokens_completion"]) == (PROMPT_TOKENS, COMPLETION_TOKENS)
        assert call["cost_source"] == "priced"
        cached = call["tokens_cached"] or 0
        assert cached in (0, CACHED_TOKENS)
        assert call["cost_usd"] == price("gpt-4o-mini", PROMPT_TOKENS - cached, cached, COMPLETION_TOKENS)
    (run,) = pipeline.wait_rows(RUN, tenant=tenant)
    assert (run["agent_name"], run["workflow_id"]) == ("weather-desk", "weather")
    assert run["cost_usd"] == first["cost_usd"] + second["cost_usd"]


def price(model: str, prompt: int, cached: int, completion: int) -> Decimal:
    """By configs/model_prices.yaml, in dollars."""
    entries = yaml.safe_load((CONFIGS / "model_prices.yaml").read_text())["prices"]
    (entry,) = [item for item in entries if item["model"] == model]
    each = [Decimal(entry[f"{kind}_usd_per_million"]) for kind in ("input", "cached", "output")]
    return sum((n * usd / 1_000_000 for n, usd in zip((prompt, cached, completion), each, strict=True)), Decimal(0))


SENDER = f"""
from examples.tracing import configure
from opentelemetry import trace
provider = configure("burst", "1")
tracer = trace.get_tracer("burst")
for number in range({BURST}):
    tracer.start_span(f"span {{number}}").end()
"""


def test_a_burst_as_fast_as_the_sdk_makes_spans_drops_none(proto: Pipeline, tenant: str) -> None:
    told = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": proto.stack.otlp.http_url,
        "OTEL_RESOURCE_ATTRIBUTES": f"tenant.id={tenant}",
    }
    command = [sys.executable, "-c", SENDER]
    done = subprocess.run(command, env={**os.environ, **told}, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    count = "SELECT count() AS n FROM telemetry.spans WHERE tenant_id = {tenant:String}"
    proto.until(lambda: proto.rows(count, tenant=tenant)[0]["n"] == BURST, f"{BURST} spans")


def test_a_collector_that_refuses_for_a_while_costs_no_span() -> None:
    # As the collector answers while Kafka is away. Retry-After keeps the test short; without it the attempts are 1, 2, 4, …
    # seconds apart.
    with otlp_stub(*[(503, {"Retry-After": "0"}, b"")] * REFUSALS) as script:
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": script.url}
        command = [sys.executable, "-m", "examples.plain_agent"]
        subprocess.run(command, env={**os.environ, **told}, cwd=ROOT, check=True, timeout=120, capture_output=True)
    assert len(script.received) == REFUSALS + 1
    assert len(script.accepted) == 1 and b"invoke_agent" in script.accepted[0][1]

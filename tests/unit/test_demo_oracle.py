"""The oracle itself, on a trace small enough to add up by hand."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from examples.agents import wire
from examples.agents.telemetry import RecordedSpan, Resource
from tests.oracle import Oracle
from tests.oracle_data import Price, Prices

MINUTE = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
NOW = int(MINUTE.timestamp()) * 10**9
FOREVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
PRICES = Prices(
    (
        Price("openai", "m", *FOREVER, Decimal("2.5"), Decimal("1.25"), Decimal("10"), Decimal("20")),
        Price("", "anywhere", *FOREVER, Decimal("1"), Decimal("1"), Decimal("1"), Decimal("1")),
    )
)


def span(number: int, parent: int, attributes: Mapping[str, object], seconds: float = 1.0) -> RecordedSpan:
    return RecordedSpan(
        Resource("acme", "svc", ""),
        b"\1" * 16,
        number.to_bytes(8, "big"),
        parent.to_bytes(8, "big") if parent else b"",
        f"span {number}",
        SpanKind.INTERNAL,
        dict(attributes),
        NOW,
        NOW + int(seconds * 10**9),
    )


def oracle(*spans: RecordedSpan) -> Oracle:
    batch = wire.Batch()
    for item in spans:
        batch.add(item)
    return Oracle([batch.take()[1]], env="lab", prices=PRICES)


CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m"}


def test_a_priced_call_counts_cached_and_reasoning_tokens_at_their_own_price():
    (row,) = oracle(
        span(
            1,
            0,
            CHAT
            | {
                "gen_ai.usage.input_tokens": 1000,
                "gen_ai.usage.cache_read.input_tokens": 400,
                "gen_ai.usage.output_tokens": 100,
                "gen_ai.usage.reasoning.output_tokens": 30,
            },
        )
    ).spans
    # 600 at 2.5, 400 at 1.25, 70 at 10 and 30 at 20 a million
    assert (row.cost_usd, row.cost_source) == (Decimal("0.0033"), "priced")


@pytest.mark.parametrize(
    ("attributes", "cost", "source"),
    [
        ({"model": "anywhere", "provider": "x", "tokens.prompt": 5}, Decimal("0.000005"), "priced"),
        ({"model": "Anywhere-20250101", "tokens.prompt": 5}, Decimal("0.000005"), "priced"),
        ({"model": "unknown", "tokens.prompt": 5}, None, "unpriced"),
        (CHAT, None, "unpriced"),
        ({"model": "m"}, None, "none"),
        (CHAT | {"cost.usd": 0.25}, Decimal("0.25"), "reported"),
        (CHAT | {"cost.usd": 0}, Decimal(0), "reported"),
        (CHAT | {"cost.usd": -1.0}, None, "unpriced"),
        ({"cost.usd": "1.5e-3"}, Decimal("0.0015"), "reported"),
    ],
)
def test_where_a_cost_comes_from(attributes: dict[str, object], cost: Decimal | None, source: str):
    (row,) = oracle(span(1, 0, attributes)).spans
    assert (row.cost_usd, row.cost_source) == (cost, source)
    assert row.invalid_fields == (["cost_usd"] if attributes.get("cost.usd") == -1.0 else [])


def test_a_run_adds_up_model_calls_and_tells_repeated_tool_calls():
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search", "gen_ai.agent.name": "a"}
    usage = {"gen_ai.usage.input_tokens": 10}
    failed = span(6, 1, tool | {"gen_ai.tool.call.arguments": "other"})
    failed.set_status(StatusCode.ERROR, "no")
    root = span(
        1,
        0,
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a", "gen_ai.usage.input_tokens": 20},
        seconds=90,
    )
    expected = oracle(
        root,
        span(2, 1, CHAT | usage),
        span(3, 1, CHAT | usage),
        *(span(number, 1, tool | {"gen_ai.tool.call.arguments": "same"}) for number in (4, 5, 7)),
        failed,
        failed,
    )
    (run,) = expected.runs().values()
    assert (run.model_calls, run.tool_calls, run.steps, run.loops, run.errors) == (2, 4, 7, 2, 1)
    assert run.tokens["tokens_prompt"] == 20
    assert (run.agent_name, run.env, run.outcome) == ("a", "lab", "ok")
    assert run.duration_ns == 90 * 10**9
    (tools,) = expected.tools_minute().values()
    assert (tools.count, tools.errors) == (4, 1)
    (cost,) = expected.cost_minute().items()
    assert cost[0] == ("acme", "lab", MINUTE, "openai", "m", "svc", "", "")
    assert (cost[1].count, cost[1].cost_usd) == (2, Decimal("0.00005"))
    assert len(expected.spans_minute()) == 7


def test_without_a_root_a_run_is_still_running():
    (run,) = oracle(span(2, 1, CHAT | {"gen_ai.agent.name": "b"})).runs().values()
    assert (run.outcome, run.agent_name, run.duration_ns) == ("running", "b", 10**9)

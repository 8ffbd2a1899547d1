"""Delivery is at least once: a message read twice and a span sent twice are counted once, within a minute, by the worker."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.pipeline.live import Pipeline, differences
from tests.pipeline.otlp_messages import span, traces

RIGHT_SECONDS = 60.0
"""Within this after a re-delivery every figure must be right again."""
GROUP = "clickhouse-otel-spans"


def run_of_three(minute_of: Span | None = None) -> list[Span]:
    """A run: its root, a model call and a failed tool call. They begin when `minute_of` does, else now."""
    root = span("plan", {"agent_name": "planner"})
    if minute_of:
        root.start_time_unix_nano = minute_of.start_time_unix_nano
    at = {
        "trace_id": root.trace_id,
        "parent_span_id": root.span_id,
        "start_time_unix_nano": root.start_time_unix_nano,
    }
    call = {
        "gen_ai.operation.name": "chat",
        "model": "m",
        "tokens.prompt": 10,
        "tokens.completion": 5,
        "cost.usd": "0.000000000003",
    }
    tool = span("search", {"tool_name": "search", "agent_name": "planner"}, **at)
    tool.status.code = 2  # type: ignore[assignment]
    return [root, span("chat", call, **at), tool]


FIGURES = """
SELECT
    (SELECT (sum(spans), sum(errors)) FROM telemetry.spans_minute WHERE tenant_id = {t:String}) AS spans,
    (SELECT (sum(calls), sum(cost_usd), sum(tokens_prompt), sum(tokens_completion)) FROM telemetry.cost_minute WHERE tenant_id = {t:String}) AS cost,
    (SELECT (sum(calls), sum(errors)) FROM telemetry.tools_minute WHERE tenant_id = {t:String}) AS tools,
    (SELECT (count(), sum(steps), sum(tool_calls), sum(loops), sum(errors), sum(cost_usd)) FROM telemetry.runs WHERE tenant_id = {t:String}) AS runs,
    (SELECT count() FROM telemetry.spans WHERE tenant_id = {t:String}) AS rows
"""


def right(runs: int = 1) -> dict[str, Any]:
    """The figures of so many runs."""
    cost = runs * Decimal("0.000000000003")
    return {
        "spans": (3 * runs, runs),
        "cost": (runs, cost, 10 * runs, 5 * runs),
        "tools": (runs, runs),
        "runs": (runs, 3 * runs, runs, 0, runs, cost),
        "rows": 3 * runs,
    }


def arrivals(pipeline: Pipeline, tenant: str) -> int:
    """Spans that came for the tenant, repeated ones included."""
    return pipeline.rows("SELECT count() AS n FROM telemetry.span_keys WHERE tenant_id = {t:String}", t=tenant)[0]["n"]


def figures_become_right(pipeline: Pipeline, tenant: str, arrived: int, runs: int = 1) -> None:
    pipeline.until(lambda: arrivals(pipeline, tenant) >= arrived, lambda: f"{arrivals(pipeline, tenant)} arrived")
    pipeline.until(
        lambda: pipeline.rows(FIGURES, t=tenant) == [right(runs)],
        lambda: f"{pipeline.rows(FIGURES, t=tenant)} to become {right(runs)}",
        RIGHT_SECONDS,
    )
    assert arrivals(pipeline, tenant) == arrived


def test_a_request_sent_again_counts_once(pipeline: Pipeline, tenant: str) -> None:
    request = traces(tenant, *run_of_three())
    pipeline.send(request, tenant)
    figures_become_right(pipeline, tenant, arrived=3)
    for again in (6, 9):
        pipeline.send(request, tenant)
        figures_become_right(pipeline, tenant, arrived=again)


def test_the_same_message_twice_on_the_topic_counts_once(pipeline: Pipeline, tenant: str) -> None:
    message = pipeline.message(traces(tenant, *run_of_three()))
    pipeline.produce(message, message)
    figures_become_right(pipeline, tenant, arrived=6)


def test_a_span_twice_in_one_request_counts_once(pipeline: Pipeline, tenant: str) -> None:
    spans = run_of_three()
    pipeline.send(traces(tenant, *spans, *spans), tenant)
    figures_become_right(pipeline, tenant, arrived=6)


def test_the_same_ids_of_two_tenants_are_two_spans(proto: Pipeline, tenant: str) -> None:
    spans = run_of_three()
    request = traces(tenant, *spans)
    request.MergeFrom(traces(tenant + "-two", *spans))
    proto.send(request)
    for name in (tenant, tenant + "-two"):
        figures_become_right(proto, name, arrived=3)


def test_what_arrives_after_a_repair_of_its_minute_is_counted_too(pipeline: Pipeline, tenant: str) -> None:
    first = run_of_three()
    later = run_of_three(minute_of=first[0])
    for _ in range(2):
        pipeline.send(traces(tenant, *first), tenant)
    figures_become_right(pipeline, tenant, arrived=6)
    generations = "SELECT count() AS n FROM telemetry.rollup_generations FINAL WHERE tenant_id = {t:String}"
    pipeline.until(lambda: pipeline.rows(generations, t=tenant)[0]["n"] >= 1, "the minute's repair")
    pipeline.send(traces(tenant, *later), tenant)
    figures_become_right(pipeline, tenant, arrived=9, runs=2)


def test_a_message_read_again_from_kafka_counts_once_and_the_audit_stays_right(pipeline: Pipeline, tenant: str) -> None:
    requests = [traces(tenant, *run_of_three()) for _ in range(4)]
    places = pipeline.produce(*(pipeline.message(request) for request in requests))
    figures_become_right(pipeline, tenant, arrived=12, runs=4)
    pipeline.until(lambda: pipeline.lag() == 0, "lag 0")
    lowest: dict[int, int] = {}
    for partition, offset in places:
        lowest[partition] = min(offset, lowest.get(partition, offset))
    # The reader goes away, its offsets are set back, it comes again: what a crash before the commit does.
    pipeline.client.command("DETACH TABLE telemetry.kafka_spans")
    try:
        admin = AdminClient({"bootstrap.servers": pipeline.stack.kafka.bootstrap_servers})
        back = [TopicPartition("otel-spans", partition, offset) for partition, offset in lowest.items()]

        def set_back() -> bool:
            try:
                altered = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(GROUP, back)])
                return all(place.error is None for place in altered[GROUP].result().topic_partitions)
            except Exception:  # the group still has members
                return False

        pipeline.until(set_back, "the offsets can be set back")
    finally:
        pipeline.client.command("ATTACH TABLE telemetry.kafka_spans")
    figures_become_right(pipeline, tenant, arrived=24, runs=4)
    repeated = pipeline.rows(
        "SELECT partition, offset FROM telemetry.ingest_ledger WHERE topic = 'otel-spans' "
        f"AND (partition, offset) IN {tuple(places)} GROUP BY partition, offset HAVING count() = 2"
    )
    assert {(row["partition"], row["offset"]) for row in repeated} == set(places)
    wrong = [text for text in differences(pipeline.audit()) if not text.startswith("offsets")]
    assert wrong == []

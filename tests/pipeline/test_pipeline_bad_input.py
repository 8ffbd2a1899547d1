"""Input that makes no sense stops nobody: dead letters, defaults and counted NULLs, and what comes after flows on."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.pipeline.live import Pipeline, differences
from tests.pipeline.otlp_messages import SECOND, span, traces

GARBAGE = {
    "text": b"this is not OTLP",
    "bytes": bytes(range(256)),
    "cut short": b"\x0a\xff\xff\x03\x0a",
    "json that is no object": b"[1, 2]",
    "cut json": b'{"resourceSpans":[{"resource":{"attr',
}


def now() -> int:
    return span().start_time_unix_nano


@pytest.mark.parametrize("topic", ["otel-spans", "otel-events"])
def test_garbage_on_a_topic_becomes_dead_letters_and_blocks_nobody(pipeline: Pipeline, tenant: str, topic: str) -> None:
    places = dict(zip(GARBAGE, [pipeline.produce(raw, topic=topic)[0] for raw in GARBAGE.values()], strict=True))
    pipeline.send(traces(tenant, span("after")), tenant)
    assert pipeline.span(tenant)["operation"] == "after"
    for what, (partition, offset) in places.items():
        (letter,) = pipeline.wait_rows(
            "SELECT raw = unhex({raw:String}) AS same, error FROM telemetry.dead_letters FINAL "
            "WHERE topic = {topic:String} AND partition = {partition:UInt32} AND offset = {offset:UInt64}",
            raw=GARBAGE[what].hex(),
            topic=topic,
            partition=partition,
            offset=offset,
        )
        assert letter["same"], f"{what}: the raw bytes"
        assert letter["error"], what
    pipeline.until(lambda: pipeline.lag() == 0, "lag 0")
    (ledger,) = pipeline.rows(
        "SELECT count() AS n, sum(spans) AS spans FROM telemetry.ingest_ledger WHERE is_dead_letter "
        "AND (topic, partition, offset) IN (SELECT topic, partition, offset FROM telemetry.dead_letters)"
        f" AND topic = '{topic}' AND (partition, offset) IN {tuple(places.values())}"
    )
    assert (ledger["n"], ledger["spans"]) == (len(GARBAGE), 0)


def test_garbage_between_two_good_messages_of_a_partition_takes_neither_along(pipeline: Pipeline, tenant: str) -> None:
    good = [pipeline.message(traces(tenant, span(name))) for name in ("before", "after")]
    pipeline.produce(good[0], *GARBAGE.values(), good[1])
    assert {row["operation"] for row in pipeline.spans(tenant, 2)} == {"before", "after"}


def test_an_empty_request_is_taken_and_stores_nothing(pipeline: Pipeline, tenant: str) -> None:
    pipeline.send(traces(tenant), tenant)
    empty = pipeline.message(traces(tenant))
    places = pipeline.produce(empty, b"" if pipeline.encoding == "otlp_proto" else b"{}")
    pipeline.send(traces(tenant, span("after")), tenant)
    pipeline.span(tenant)
    pipeline.until(lambda: pipeline.lag() == 0, "lag 0")
    letters = pipeline.rows(
        f"SELECT * FROM telemetry.dead_letters WHERE topic = 'otel-spans' AND (partition, offset) IN {tuple(places)}"
    )
    assert letters == []


def test_a_message_without_bytes_blocks_nobody_and_is_no_loss_to_the_audit(pipeline: Pipeline, tenant: str) -> None:
    pipeline.produce(b"", b"\n", topic="otel-spans")
    pipeline.produce(b"", b"\n", topic="otel-events")
    pipeline.send(traces(tenant, span("after")), tenant)
    pipeline.span(tenant)
    assert differences(pipeline.audit()) == []


def test_a_span_without_a_resource_has_defaults(proto: Pipeline) -> None:
    sent = span("no-resource")
    request = traces(None, sent)
    request.resource_spans[0].ClearField("resource")
    proto.send(request)
    (row,) = proto.wait_rows(
        "SELECT * EXCEPT (attributes_json) FROM telemetry.spans WHERE trace_id = {trace:String}",
        trace=sent.trace_id.hex(),
    )
    assert (row["tenant_id"], row["service_name"], row["env"]) == ("default", "unknown", "local")


def test_a_span_without_a_name_or_ids_is_kept_and_counted_as_invalid(pipeline: Pipeline, tenant: str) -> None:
    # Past the collector, which would refuse ids of another length itself.
    one = span("", trace_id=b"", span_id=b"")
    two = span("short", trace_id=b"abc", span_id=b"de", start_time_unix_nano=now() + SECOND, parent_span_id=b"f")
    pipeline.produce(pipeline.message(traces(tenant, one, two)))
    first, second = pipeline.spans(tenant, 2)
    assert first["operation"] == ""
    assert {"trace_id", "span_id"} <= set(first["invalid_fields"])
    assert {"trace_id", "span_id", "parent_span_id"} <= set(second["invalid_fields"])


TIMES: dict[str, tuple[int, int, set[str]]] = {
    "end before start": (0, -SECOND, {"end_ts"}),
    "end at start": (0, 0, set()),
    "a year ahead": (365 * 86400 * SECOND, 365 * 86400 * SECOND, {"start_ts", "end_ts"}),
}


@pytest.mark.parametrize("what", TIMES)
def test_times_that_do_not_fit_are_bounded_and_named(pipeline: Pipeline, tenant: str, what: str) -> None:
    start, end, invalid = TIMES[what]
    at = now()
    pipeline.send(traces(tenant, span("t", start_time_unix_nano=at + start, end_time_unix_nano=at + end)), tenant)
    row = pipeline.span(tenant)
    assert set(row["invalid_fields"]) == invalid
    assert row["duration_ms"] == 0


YEAR_2300 = 10_413_792_000 * SECOND


@pytest.mark.parametrize("start", [0, 1, YEAR_2300, 2**63 - 1, 2**64 - 1])
def test_an_absurd_time_falls_back_to_when_it_arrived(pipeline: Pipeline, tenant: str, start: int) -> None:
    pipeline.send(traces(tenant, span("t", start_time_unix_nano=start, end_time_unix_nano=start)), tenant)
    row = pipeline.span(tenant)
    assert set(row["invalid_fields"]) == {"start_ts", "end_ts"}
    arrived = row["ingest_ts"].timestamp()
    assert arrived - 3700 < row["start_ts"].timestamp() <= arrived
    (minute,) = pipeline.rows(
        "SELECT sum(invalid) AS invalid, sum(spans) AS spans FROM telemetry.spans_minute WHERE tenant_id = {t:String}",
        t=tenant,
    )
    assert (minute["invalid"], minute["spans"]) == (1, 1)


NUMBERS: dict[str, tuple[Any, bool]] = {
    "NaN": (math.nan, False),
    "infinite": (math.inf, False),
    "negative": (-5, False),
    "a word": ("many", False),
    "half": (1.5, False),
    "huge": (2**62, False),
    "a list": ([1], False),
    "a bool": (True, False),
    "number in a text": ("12", True),
    "whole double": (12.0, True),
}


def test_tokens_that_are_no_count_become_null_and_are_named(pipeline: Pipeline, tenant: str) -> None:
    spans = [span(name, {"tokens.prompt": value, "model": "m"}) for name, (value, _) in NUMBERS.items()]
    pipeline.send(traces(tenant, *spans), tenant)
    rows = {row["operation"]: row for row in pipeline.spans(tenant, len(NUMBERS))}
    found = {name: (rows[name]["tokens_prompt"], rows[name]["invalid_fields"]) for name in NUMBERS}
    assert found == {name: (12, []) if good else (None, ["tokens_prompt"]) for name, (_, good) in NUMBERS.items()}


COSTS: dict[str, tuple[Any, bool]] = {
    "NaN": (math.nan, False),
    "infinite": (-math.inf, False),
    "negative": (-0.01, False),
    "a word": ("free", False),
    "a million": (1e6, False),
    "with a currency": ("$0.25", False),
    "in a text": ("0.25", True),
    "as a power": ("2.5e-1", True),
}


def test_a_cost_that_is_no_amount_is_null_and_named_never_a_silent_zero(pipeline: Pipeline, tenant: str) -> None:
    call = {"gen_ai.operation.name": "chat"}
    pipeline.send(traces(tenant, *(span(name, {"cost.usd": v, **call}) for name, (v, _) in COSTS.items())), tenant)
    rows = {row["operation"]: row for row in pipeline.spans(tenant, len(COSTS))}
    found = {name: (str(rows[name]["cost_usd"] or ""), rows[name]["cost_source"]) for name in COSTS}
    assert {name: source for name, (_, source) in found.items()} == {
        name: "reported" if good else "unpriced" for name, (_, good) in COSTS.items()
    }
    assert all(float(found[name][0]) == 0.25 for name, (_, good) in COSTS.items() if good)
    assert all(rows[name]["invalid_fields"] == ([] if good else ["cost_usd"]) for name, (_, good) in COSTS.items())


def test_a_prompt_that_json_can_t_hold_does_not_have_its_request_refused(pipeline: Pipeline, tenant: str) -> None:
    """The collector turns structured prompts into JSON text; a NaN in one has none."""
    prompt = {"gen_ai.input.messages": [{"role": "user", "score": math.nan}]}
    pipeline.send(traces(tenant, span("before"), span("nan", prompt), span("after")), tenant)
    assert {row["operation"] for row in pipeline.spans(tenant, 3)} == {"before", "nan", "after"}


def test_an_unknown_kind_or_status_is_unset(pipeline: Pipeline, tenant: str) -> None:
    odd = span("odd", kind=77)  # type: ignore[arg-type]
    odd.status.code = 9  # type: ignore[assignment]
    pipeline.send(traces(tenant, odd), tenant)
    row = pipeline.span(tenant)
    assert (row["kind"], row["status_code"]) == ("unspecified", "unset")


def test_ten_thousand_attributes_and_a_hundred_levels_are_read(pipeline: Pipeline, tenant: str) -> None:
    deep: Any = "bottom"
    for _ in range(100):
        deep = [deep]
    pipeline.send(traces(tenant, span("wide", {f"key.{n}": n for n in range(10_000)})), tenant)
    assert len(pipeline.span(tenant)["attributes"]) == 10_000
    other = tenant + "-deep"
    pipeline.produce(
        pipeline.message(traces(other, span("deep", {"deep": deep}))),
        pipeline.message(traces(other, span("next"))),
    )
    pipeline.until(lambda: pipeline.lag() == 0, "lag 0")
    found = pipeline.rows("SELECT operation FROM telemetry.spans WHERE tenant_id = {t:String}", t=other)
    assert {"operation": "next"} in found, "whatever becomes of the deep one, the pipeline lives"


def test_the_consumers_report_no_error_that_is_not_a_dead_letter(pipeline: Pipeline) -> None:
    assert [item for item in pipeline.consumer_errors() if any("MV" in t or "view" in t for t in item["texts"])] == []

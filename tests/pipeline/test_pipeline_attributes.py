"""Attributes: every known spelling lands in its column; values of every kind and size arrive as they were sent."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
import yaml

from infra.paths import CONFIGS
from tests.pipeline.conftest import KEEPER
from tests.pipeline.live import Pipeline, new_tenant
from tests.pipeline.otlp_messages import SECOND, span, traces

COLUMNS: dict[str, dict[str, Any]] = yaml.safe_load((CONFIGS / "attributes.yaml").read_text())["columns"]
SPELLINGS = [(column, item["name"]) for column, entry in COLUMNS.items() for item in entry["names"]]
SENT = {"text": "some value", "tokens": 1234, "usd": 0.125, "list": ["stop", "length"]}
STORED = {"text": "some value", "tokens": 1234, "usd": Decimal("0.125"), "list": "stop,length"}


@pytest.fixture(scope="module")
def spelled(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """The row of a span that has one attribute, by the attribute's name: one request carries all spellings."""
    tenant = new_tenant()
    request = traces(tenant, *(span(name, {name: SENT[COLUMNS[column]["kind"]]}) for column, name in SPELLINGS))
    pipeline.send(request, tenant)
    return {row["operation"]: row for row in pipeline.spans(tenant, len(SPELLINGS))}


@pytest.mark.parametrize(("column", "name"), SPELLINGS, ids=[f"{name}->{column}" for column, name in SPELLINGS])
def test_a_spelling_lands_in_its_column_and_in_no_other(
    spelled: dict[str, dict[str, Any]], column: str, name: str
) -> None:
    row = spelled[name]
    found = {other: row[other] for other in COLUMNS if row[other] not in ("", None)}
    assert found == {column: STORED[COLUMNS[column]["kind"]]}
    assert row["cost_source"] == ("reported" if column == "cost_usd" else "none")
    assert list(row["attributes"]) == [name], "the attribute itself stays as it was sent"


REPEATED = [column for column, entry in COLUMNS.items() if len(entry["names"]) > 1]


def test_of_several_spellings_the_first_in_the_table_wins(pipeline: Pipeline, tenant: str) -> None:
    def values(kind: str, names: list[str]) -> dict[str, Any]:
        made = {"text": str, "list": str, "tokens": int, "usd": lambda n: n / 8}[kind]
        # Sent in the reverse order, so that position in the message can't be what decides.
        return {name: made(index + 1) for index, name in reversed(list(enumerate(names)))}

    names = {column: [item["name"] for item in COLUMNS[column]["names"]] for column in REPEATED}
    pipeline.send(
        traces(tenant, *(span(column, values(COLUMNS[column]["kind"], names[column])) for column in REPEATED)),
        tenant,
    )
    rows = {row["operation"]: row for row in pipeline.spans(tenant, len(REPEATED))}
    first = {"text": "1", "list": "1", "tokens": 1, "usd": Decimal("0.125")}
    assert {column: rows[column][column] for column in REPEATED} == {
        column: first[COLUMNS[column]["kind"]] for column in REPEATED
    }


WORDS = [(column, old, new) for column, entry in COLUMNS.items() for old, new in entry.get("values", {}).items()]


def test_older_words_become_todays(pipeline: Pipeline, tenant: str) -> None:
    spans = [span(old, {COLUMNS[column]["names"][-1]["name"]: old}) for column, old, _ in WORDS]
    pipeline.send(traces(tenant, *spans), tenant)
    rows = {row["operation"]: row for row in pipeline.spans(tenant, len(WORDS))}
    assert {(column, old): rows[old][column] for column, old, _ in WORDS} == {
        (column, old): new for column, old, new in WORDS
    }


OBJECTS = [item["name"] for item in yaml.safe_load((CONFIGS / "attributes.yaml").read_text())["objects"]]
MEMBERS = [
    (name, spelling.removeprefix(f"{name}."), column)
    for name in OBJECTS
    for column, spelling in SPELLINGS
    if spelling.startswith(f"{name}.")
]


def test_members_of_a_json_object_land_in_their_columns(pipeline: Pipeline, tenant: str) -> None:
    """As Langfuse and MLflow send usage and cost: one attribute with all of it, as JSON text or as a map."""

    def members(name: str) -> dict[str, Any]:
        own = [(member, column) for owner, member, column in MEMBERS if owner == name]
        return {member: SENT[COLUMNS[column]["kind"]] for member, column in own} | {"total_tokens": 9, "text": "x"}

    spans = [span(name, {name: json.dumps(members(name))}) for name in OBJECTS]
    spans += [span(f"{name} as a map", {name: members(name)}) for name in OBJECTS]
    spans += [span("broken", {name: '{"input": 5, "outp' for name in OBJECTS})]
    pipeline.send(traces(tenant, *spans), tenant)
    rows = {row["operation"]: row for row in pipeline.spans(tenant, len(spans))}
    for name, _, column in MEMBERS:
        for row in (rows[name], rows[f"{name} as a map"]):
            assert row[column] == STORED[COLUMNS[column]["kind"]], (name, column)
            assert list(row["attributes"]) == [name]
    assert len(MEMBERS) == 7 and all(len(json.loads(rows[name]["attributes"][name])) > 2 for name in OBJECTS)
    assert rows["broken"]["tokens_completion"] is None and rows["broken"]["cost_usd"] is None


def test_the_outer_span_of_an_ai_sdk_call_is_no_second_model_call(pipeline: Pipeline, tenant: str) -> None:
    usage = {"ai.model.id": "m", "ai.usage.promptTokens": 7, "ai.usage.completionTokens": 3}
    names = ("ai.generateText", "ai.generateText.doGenerate")
    pipeline.send(traces(tenant, *(span(name, {"ai.operationId": name, **usage}) for name in names)), tenant)
    rows = {row["operation"]: row for row in pipeline.spans(tenant, 2)}
    assert {name: row["is_inference"] for name, row in rows.items()} == {names[0]: False, names[1]: True}
    (sums,) = pipeline.wait_rows(
        "SELECT sum(calls) AS calls, sum(tokens_prompt) AS prompt FROM telemetry.cost_minute "
        "WHERE tenant_id = {t:String} HAVING calls > 0",
        t=tenant,
    )
    assert (sums["calls"], sums["prompt"]) == (1, 7)


KINDS: dict[str, tuple[Any, str]] = {
    "text": ("plain", "plain"),
    "empty text": ("", ""),
    "unset": (None, "null"),
    "int": (42, "42"),
    "zero": (0, "0"),
    "least int": (-(2**63), str(-(2**63))),
    "greatest int": (2**63 - 1, str(2**63 - 1)),
    "double": (0.1, "0.1"),
    "double zero": (0.0, "0"),
    "true": (True, "true"),
    "false": (False, "false"),
    "bytes": (b"\x00\xff\x10", base64.b64encode(b"\x00\xff\x10").decode()),
    "empty bytes": (b"", ""),
}


def test_a_scalar_is_kept_as_text(pipeline: Pipeline, tenant: str) -> None:
    pipeline.send(traces(tenant, span("kinds", {name: sent for name, (sent, _) in KINDS.items()})), tenant)
    assert pipeline.span(tenant)["attributes"] == {name: stored for name, (_, stored) in KINDS.items()}


NESTED: dict[str, Any] = {
    "list": ["a", 1, 2.5, True, "", 'quo"te', "back\\slash", "sla/sh"],
    "empty list": [],
    "map": {"a": 1, "b": {"c": "d"}, "e": [1, "f"]},
    "empty map": {},
    "list of maps": [{"role": "user"}, {}],
    "looks like OTLP": {"stringValue": "x", "k": '{"value":{"intValue":"3"}}', "list": ["]}},"]},
}


def test_lists_and_maps_are_kept_as_json(pipeline: Pipeline, tenant: str) -> None:
    pipeline.send(traces(tenant, span("nested", NESTED)), tenant)
    stored = pipeline.span(tenant)["attributes"]
    assert {name: json.loads(text) for name, text in stored.items()} == NESTED


def test_nested_values_are_json(pipeline: Pipeline, tenant: str) -> None:
    """Two levels of lists and maps, in both encodings; deeper ones are readable in `otlp_json` alone (README)."""
    value = [{"a": "b", "n": 1}, {"list": "no"}]
    pipeline.send(traces(tenant, span("nested", {"value": value})), tenant)
    assert json.loads(pipeline.span(tenant)["attributes"]["value"]) == value


def test_structured_prompts_are_readable_however_deep(pipeline: Pipeline) -> None:
    """As deep as the conventions' structured messages: a list of maps of lists of maps of maps."""
    messages = [{"role": "user", "parts": [{"type": "tool_call", "arguments": {"city": "Paris", "days": [1, 2]}}]}]
    sent = span("deep", {"gen_ai.input.messages": messages})
    pipeline.send(traces(KEEPER, sent), KEEPER)
    kept = "SELECT text FROM telemetry.content FINAL WHERE tenant_id = {t:String} AND span_id = unhex({s:String})"

    def texts() -> list[str]:
        return [row["text"] for row in pipeline.rows(kept, t=KEEPER, s=sent.span_id.hex())]

    pipeline.until(texts, "the prompt in telemetry.content")
    assert [json.loads(text) for text in texts()] == [messages]


def test_an_empty_key_is_kept_and_spoils_nothing(pipeline: Pipeline, tenant: str) -> None:
    pipeline.send(traces(tenant, span("empty", {"": "top", "map": {"": 1, "a": {"": "deep"}, "b": 2}})), tenant)
    stored = pipeline.span(tenant)["attributes"]
    assert stored[""] == "top"
    assert json.loads(stored["map"]) == {"": 1, "a": {"": "deep"}, "b": 2}


def test_zero_tokens_and_zero_cost_are_no_missing_ones(pipeline: Pipeline, tenant: str) -> None:
    zero = {"tokens.prompt": 0, "tokens.completion": 0, "cost.usd": 0.0, "gen_ai.operation.name": "chat"}
    now = span().start_time_unix_nano
    spans = [
        span("zero", zero, start_time_unix_nano=now - 2 * SECOND, end_time_unix_nano=now),
        span(
            "missing",
            {"gen_ai.operation.name": "chat"},
            start_time_unix_nano=now - SECOND,
            end_time_unix_nano=now,
        ),
        span("unset", dict.fromkeys(zero)),
    ]
    pipeline.send(traces(tenant, *spans), tenant)
    found = [
        (
            row["operation"],
            row["tokens_prompt"],
            row["tokens_completion"],
            row["cost_usd"],
            row["cost_source"],
        )
        for row in pipeline.spans(tenant, 3)
    ]
    assert found == [
        ("zero", 0, 0, Decimal(0), "reported"),
        ("missing", None, None, None, "unpriced"),
        ("unset", None, None, None, "none"),
    ]


TEXTS = [
    "Grüße, 世界, 🦜👩‍👩‍👧",
    "zero \x00 inside",
    "line\nbreak\ttab\r",
    "\u202e\u200b\ufeff",
    "\x7f\x1b[31m",
    "' \" \\ / ` $ {{ x }}",
]


def test_unicode_stays_itself_in_names_keys_values_and_lists(pipeline: Pipeline, tenant: str) -> None:
    values = {text: text for text in TEXTS}
    sent = span("名前 🦜", {**values, "all": list(TEXTS), "agent_name": "Zoë 🦜"})
    sent.status.message = "naïve"
    pipeline.send(traces(tenant, sent, resource={"service.name": "サービス", "größe": "ß"}), tenant)
    row = pipeline.span(tenant)
    assert (row["operation"], row["service_name"], row["agent_name"]) == ("名前 🦜", "サービス", "Zoë 🦜")
    assert (row["status_message"], row["resource_attributes"]["größe"]) == ("naïve", "ß")
    stored = row["attributes"]
    assert {text: stored.get(text) for text in TEXTS} == values
    assert json.loads(stored["all"]) == TEXTS


def test_an_attribute_of_a_megabyte_arrives_whole(pipeline: Pipeline, tenant: str) -> None:
    text = "0123456789abcdef" * 2**16
    pipeline.send(traces(tenant, span("big", {"text": text, "list": [text]})), tenant)
    stored = pipeline.span(tenant)["attributes"]
    assert stored["text"] == text
    assert json.loads(stored["list"]) == [text]
    assert "telemetry.truncated" not in stored


def test_an_over_long_attribute_is_cut_and_marked_and_its_neighbours_stay(pipeline: Pipeline, tenant: str) -> None:
    limit = pipeline.stack.settings.collectorAttributeLimitKiB * 1024
    long = "x" * (limit + 1)
    now = span().start_time_unix_nano
    spans = [
        span(
            "long",
            {"text": long, "other": "whole"},
            start_time_unix_nano=now - SECOND,
            end_time_unix_nano=now,
        ),
        span("neighbour", {"text": long[:limit]}),
    ]
    pipeline.send(traces(tenant, *spans), tenant)
    cut, whole = pipeline.spans(tenant, 2)
    assert cut["attributes"] == {"text": long[:limit], "other": "whole", "telemetry.truncated": "true"}
    assert whole["attributes"] == {"text": long[:limit]}


def test_a_number_that_is_none_is_not_taken_for_a_cut(pipeline: Pipeline, tenant: str) -> None:
    """NaN is unequal to itself, so comparing attributes before and after cutting is not enough."""
    limit = pipeline.stack.settings.collectorAttributeLimitKiB * 1024
    now = span().start_time_unix_nano
    odd = {"ratio": float("nan"), "list": [1.5, float("nan")], "map": {"in": float("nan")}}
    spans = [
        span("whole", odd, start_time_unix_nano=now - SECOND, end_time_unix_nano=now),
        span("cut", {**odd, "text": "x" * (limit + 1)}),
    ]
    pipeline.send(traces(tenant, *spans), tenant)
    whole, cut = pipeline.spans(tenant, 2)
    assert set(whole["attributes"]) == {"ratio", "list", "map"} and whole["attributes"]["ratio"].lower() == "nan"
    assert cut["attributes"]["telemetry.truncated"] == "true" and len(cut["attributes"]["text"]) == limit


def test_attributes_can_be_read_as_json(pipeline: Pipeline, tenant: str) -> None:
    pipeline.send(traces(tenant, span("json", {"http.status": 200, "plain": "x"})), tenant)
    pipeline.span(tenant)
    sql = "SELECT attributes_json.http.status AS a, attributes_json.plain AS b FROM telemetry.spans WHERE tenant_id = {t:String}"
    (row,) = pipeline.rows(sql, t=tenant)
    assert (str(row["a"]), str(row["b"])) == ("200", "x")

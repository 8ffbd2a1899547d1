"""The alias table: what SQL is told about it, and that a mistake in it is refused."""

from __future__ import annotations

import pytest

from infra import schema
from infra.errors import UserError


def test_every_alias_has_a_number_that_leads_back_to_its_column() -> None:
    aliases = schema.aliases()
    by_name = dict(zip(aliases["names"], aliases["ids"], strict=True))
    for column, entry in schema.attribute_table()["columns"].items():
        numbers = [by_name[alias["name"]] for alias in entry["names"]]
        assert numbers == sorted(numbers)
        assert {number // aliases["ranks"] for number in numbers} == {aliases["codes"][column]}


def test_numbers_are_unique_and_content_lies_above_columns() -> None:
    aliases = schema.aliases()
    assert len(set(aliases["ids"])) == len(aliases["names"]) == len(set(aliases["names"]))
    first_content = aliases["content_code"] * aliases["ranks"]
    content = {name for name, number in zip(aliases["names"], aliases["ids"], strict=True) if number >= first_content}
    table = schema.attribute_table()
    listed = {alias["name"] for alias in [*table["content"], *table["tool_call_arguments"]]}
    assert content == {name for name in listed if not name.endswith(".*")}
    assert {f"{text}*" for text in aliases["beginnings"]} == listed - content


def test_the_plain_names_of_the_data_contract_are_known() -> None:
    plain = {"model", "tokens.prompt", "tokens.completion", "cost.usd", "tool_name", "workflow_id", "user_id"}
    assert plain <= set(schema.aliases()["names"])


def test_every_convention_name_says_since_which_version() -> None:
    for entry in schema.attribute_table()["columns"].values():
        for alias in entry["names"]:
            assert alias["convention"] != "semconv" or alias["since"]


def test_every_object_has_members_that_are_known() -> None:
    aliases = schema.aliases()
    for entry in schema.attribute_table()["objects"]:
        assert any(name.startswith(f"{entry['name']}.") for name in aliases["names"])


def test_only_content_is_named_by_its_beginning() -> None:
    with pytest.raises(UserError, match=r"'x\.\*' under model: only names of content"):
        schema._add_names({}, "model", [{"name": "x.*"}])


def test_more_names_than_an_alias_number_holds_are_refused() -> None:
    with pytest.raises(UserError, match="model has 257 names, 256 at most"):
        schema._add_names({}, "model", [{"name": str(n)} for n in range(257)])


def test_a_name_under_two_columns_is_refused() -> None:
    seen: dict[str, str] = {}
    schema._add_names(seen, "model", [{"name": "x"}])
    with pytest.raises(UserError, match="'x' is under model and provider"):
        schema._add_names(seen, "provider", [{"name": "x"}])

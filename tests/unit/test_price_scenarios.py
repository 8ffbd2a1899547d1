"""Price scenarios as rows: what each of instead, factor and prices does to the price table, and how a bad one is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.errors import UserError
from infra.postdeploy.price_scenarios import TODAY, scenario_rows, scenarios
from infra.postdeploy.prices import price_rows

BASE = """
prices:
  - {model: big, input_usd_per_million: "10", cached_usd_per_million: "1", output_usd_per_million: "30"}
  - {model: small, input_usd_per_million: "0.333333", output_usd_per_million: "3"}
  - {model: small, provider: reseller, input_usd_per_million: "2", output_usd_per_million: "4"}
"""


def rows(tmp_path: Path, *given: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    """By scenario, provider and model."""
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "scenarios.yaml").write_text("scenarios:\n" + "".join(f"  - {entry}\n" for entry in given))
    found = scenario_rows(tmp_path / "scenarios.yaml", tmp_path / "base.yaml")
    values = [json.loads(row) for row in found.values()]
    assert len({(row["scenario"], row["provider"], row["model"], row["valid_from"]) for row in values}) == len(values)
    return {(row["scenario"], row["provider"], row["model"]): row for row in values}


def test_instead_gives_a_model_the_other_s_prices_under_every_provider_that_has_one(tmp_path: Path) -> None:
    found = rows(tmp_path, "{name: smaller, instead: {big: small, huge: small}}")
    assert found["smaller", "", "big"]["input_usd_per_million"] == "0.333333"
    assert found["smaller", "", "big"]["cached_usd_per_million"] is None
    assert found["smaller", "reseller", "big"]["output_usd_per_million"] == "4.000000"
    # A model that has no price of its own gets one; the others stay.
    assert found["smaller", "", "huge"]["output_usd_per_million"] == "3.000000"
    assert found["smaller", "", "small"]["output_usd_per_million"] == "3.000000"


def test_a_factor_changes_every_price_to_the_six_decimals_that_are_stored(tmp_path: Path) -> None:
    found = rows(tmp_path, '{name: discount, factor: "0.9"}')
    assert found["discount", "", "big"]["cached_usd_per_million"] == "0.900000"
    assert found["discount", "", "small"]["input_usd_per_million"] == "0.300000"
    assert found["discount", "", "small"]["cached_usd_per_million"] is None


def test_own_entries_replace_theirs_and_take_no_factor(tmp_path: Path) -> None:
    own = '[{model: big, input_usd_per_million: "7", output_usd_per_million: "8"}]'
    found = rows(tmp_path, f'{{name: contract, factor: "0.5", prices: {own}}}')
    assert found["contract", "", "big"]["input_usd_per_million"] == "7.000000"
    assert found["contract", "reseller", "small"]["input_usd_per_million"] == "1.000000"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{name: a, instead: {big: tiny}}", "a: instead: big: tiny has no price in model_prices.yaml"),
        ("{name: a, factor: 0.9}", "scenario 1, factor: .*in quotes"),
        ('{name: a, factor: "0"}', "scenario 1, factor: .*greater than 0"),
        ("{name: 'a,b'}", "scenario 1, name"),
        (f"{{name: {TODAY}}}", "is the name of model_prices.yaml itself"),
        ("{name: a, colour: red}", "scenario 1, colour"),
        ("{name: a, prices: [{model: m}]}", r"a, prices: entry 1 \(m\): input_usd_per_million"),
    ],
)
def test_a_wrong_scenario_is_named(tmp_path: Path, entry: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        rows(tmp_path, entry)


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the same name"):
        rows(tmp_path, "{name: a}", "{name: a}")


def test_the_shipped_scenarios_price_every_model_that_is_priced_and_no_dearer() -> None:
    """One size smaller is never dearer: the file invents no price, it only names other models of the price table."""
    listed = {(row["provider"], row["model"]): row for row in map(json.loads, price_rows().values())}
    for scenario in scenarios():
        mine = {
            (row["provider"], row["model"]): row
            for row in map(json.loads, scenario_rows().values())
            if row["scenario"] == scenario.name
        }
        assert mine.keys() == listed.keys()
        for key, row in mine.items():
            for kind in ("input", "output"):
                name = f"{kind}_usd_per_million"
                assert float(row[name]) <= float(listed[key][name]), (scenario.name, key)

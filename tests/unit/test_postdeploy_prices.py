"""Model prices and tenants as rows: what is accepted, and how a bad entry is named."""

import json
from pathlib import Path

import pytest

from infra.errors import UserError
from infra.postdeploy.prices import price_rows
from infra.postdeploy.reference_tables import comparable
from infra.postdeploy.tenants_table import tenant_rows
from infra.settings import parse_settings

ENTRY = '{model: m, input_usd_per_million: "0.1", output_usd_per_million: "3"%s}'


def prices(tmp_path: Path, *extras: str) -> dict[str, str]:
    path = tmp_path / "model_prices.yaml"
    path.write_text("prices:\n" + "".join(f"  - {ENTRY % extra}\n" for extra in extras))
    return price_rows(path)


def test_prices_stay_exact_and_unbounded_times_become_the_widest(tmp_path: Path):
    ((name, row),) = prices(tmp_path, "").items()
    assert name.startswith("any/m from 1970-01-01")
    values = json.loads(row)
    assert values["input_usd_per_million"] == "0.100000" and values["cached_usd_per_million"] is None
    assert values["valid_to"].startswith("2106")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (", cached_usd_per_million: 0.1", ["cached_usd_per_million", "quotes"]),
        (', cached_usd_per_million: "-1"', ["cached_usd_per_million", "-1"]),
        (', cached_usd_per_million: "0.1234567"', ["cached_usd_per_million", "decimal places"]),
        (", colour: red", ["colour"]),
        (', valid_from: "soon"', ["valid_from", "soon"]),
        (', valid_from: "2026-02-01", valid_to: "2026-01-01"', ["valid_from is after valid_to"]),
    ],
)
def test_a_bad_price_is_named_with_its_entry(tmp_path: Path, extra: str, words: list[str]):
    with pytest.raises(UserError) as error:
        prices(tmp_path, ', valid_to: "1990-01-01"', extra)
    assert all(word in str(error.value) for word in ["entry 2 (m)", *words]), str(error.value)


def test_two_prices_for_the_same_time_are_refused(tmp_path: Path):
    prices(tmp_path, ', valid_to: "2025-12-31 23:59:59"', ', valid_from: "2026-01-01"')
    with pytest.raises(UserError, match="overlaps"):
        prices(tmp_path, ', valid_to: "2026-01-01"', ', valid_from: "2026-01-01"')


def test_rows_are_equal_when_their_prices_are():
    assert comparable('{"a_per_million":"1.50","m":"1.50"}') == comparable('{"m":"1.50","a_per_million":"1.5"}')
    assert comparable('{"m":"1.50"}') != comparable('{"m":"1.5"}')


def test_a_tenant_with_retention_of_its_own_keeps_content_when_everybody_does():
    rows = tenant_rows(parse_settings({"contentTenants": ["*"], "tenantRetentionDays": {"acme": 7}}, "test"))
    assert {name: json.loads(row)["keep_content"] for name, row in rows.items()} == {"*": True, "acme": True}
    with pytest.raises(UserError, match="acme: 0 days"):
        tenant_rows(parse_settings({"tenantRetentionDays": {"acme": 0}}, "test"))
    with pytest.raises(UserError, match="retentionRawDays"):
        tenant_rows(parse_settings({"tenantRetentionDays": {"*": 7}}, "test"))

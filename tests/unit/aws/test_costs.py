"""The cost estimate: every item by hand, unknown prices named and never guessed; the price list's answers read."""

from __future__ import annotations

import copy
import json
from decimal import Decimal

import boto3
import pytest
from botocore.stub import Stubber

from infra.aws import costs, price_list
from infra.config import file_settings
from infra.errors import UserError

ITEM = {"service": "AmazonEC2", "usage": "NatGateway-Hours"}


def priced(stack: str, amount: str = "0.01") -> dict:
    """The table with one price for everything that the stack needs."""
    settings, table = file_settings(stack), copy.deepcopy(costs.table())
    lines = costs.bill(settings, table["assumptions"])
    table["prices"] = {settings.awsRegion: {line.item: amount for line in lines}}
    return table


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_without_prices_the_estimate_says_which_are_missing_and_no_sum(stack: str) -> None:
    table = {**copy.deepcopy(costs.table()), "prices": {}}
    shown = costs.estimate(file_settings(stack), table).as_output()
    assert "telemetry pin" in shown["unknown"] and "nat-hour" in shown["unknown"] and "total" not in shown


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_sum_is_the_parts_and_a_million_spans_their_share(stack: str) -> None:
    found = costs.estimate(file_settings(stack), priced(stack))
    assert not found.missing
    assert {"network", "kafka", "clickhouse", "collector", "worker", "grafana", "keys"} == set(found.parts)
    spans = Decimal(found.assumptions["spans_a_second"]) * 730 * 3600
    assert found.million_spans == sum(found.parts.values()) / spans * 1_000_000


def test_one_missing_price_takes_its_part_out_of_the_sums_and_no_other() -> None:
    table = priced("prod")
    del table["prices"]["eu-central-1"]["volume-st1"]
    found = costs.estimate(file_settings("prod"), table)
    assert found.missing == ("volume-st1",) and "clickhouse" not in found.parts and "kafka" in found.parts
    assert found.million_spans is None


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_what_is_paid_anyway_and_what_a_million_spans_add_make_up_the_estimate(stack: str) -> None:
    table, settings = priced(stack), file_settings(stack)
    parts = costs.part_costs(settings, table)
    millions = Decimal(str(table["assumptions"]["spans_a_second"])) * 730 * 3600 / 1_000_000
    whole = {
        cost.part: cost.usd_a_month + cost.usd_a_million_spans * millions
        for cost in parts
        if cost.usd_a_month is not None and cost.usd_a_million_spans is not None
    }
    estimated = costs.estimate(settings, table).parts
    assert whole.keys() == estimated.keys()
    for part, cost in whole.items():
        assert abs(cost - estimated[part]) < Decimal("0.000001"), part
    # Traffic is paid for at the load balancer and where it crosses zones; machines cost the same without it.
    adds = {cost.part for cost in parts if cost.usd_a_million_spans}
    assert adds == {"network", "collector"}


def test_a_part_without_all_its_prices_is_not_known_and_says_why() -> None:
    table = priced("prod")
    del table["prices"]["eu-central-1"]["volume-st1"]
    found = {cost.part: cost for cost in costs.part_costs(file_settings("prod"), table)}
    assert (found["clickhouse"].usd_a_month, found["clickhouse"].usd_a_million_spans) == (None, None)
    assert "no price for volume-st1" in found["clickhouse"].reading and "telemetry pin" in found["clickhouse"].reading
    assert found["kafka"].usd_a_month
    nothing = costs.part_costs(file_settings("prod"), {**costs.table(), "prices": {}})
    assert nothing and all(cost.usd_a_month is None for cost in nothing)


def test_prod_s_bill_counts_brokers_nodes_keepers_and_paid_throughput() -> None:
    lines = {line.item: line.quantity for line in costs.bill(file_settings("prod"), costs.table()["assumptions"])}
    assert lines["broker-hour/m7g.large"] == 3 * 730
    assert lines["node-hour/r7g.2xlarge"] == 3 * 730 and lines["node-hour/t4g.small"] == 3 * 730
    assert lines["volume-gp3-iops"] == 3 * 3000
    assert lines["volume-gp3-throughput"] == Decimal(3 * 375) / 1024
    assert lines["nat-hour"] == 3 * 730 and lines["endpoint-hour"] == 9 * 3 * 730


def test_dev_runs_on_spot_and_without_keepers() -> None:
    lines = {line.item for line in costs.bill(file_settings("dev"), costs.table()["assumptions"])}
    assert "task-cpu-spot" in lines and "node-hour/t4g.small" not in lines


def product(usage: str, amount: str, **attributes: str) -> str:
    tiers = {
        "a": {"beginRange": "0", "pricePerUnit": {"USD": amount}},
        "b": {"beginRange": "10", "pricePerUnit": {"USD": "9"}},
    }
    return json.dumps(
        {
            "product": {"attributes": {"usagetype": usage, **attributes}},
            "terms": {"OnDemand": {"x": {"priceDimensions": tiers}}},
        }
    )


def asked(monkeypatch: pytest.MonkeyPatch, *products: str) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    pricing = boto3.client("pricing", region_name="us-east-1")
    stubber = Stubber(pricing)
    stubber.add_response("get_products", {"PriceList": list(products)})
    stubber.activate()
    monkeypatch.setattr(price_list, "client", lambda *_: pricing)


def test_a_price_is_the_first_tier_of_the_usage_type_and_no_similar_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(
        monkeypatch,
        product("EUC1-NatGateway-Hours", "0.5"),
        product("EUC1-NatGateway-Hours-Provisioned", "7"),
        product("EUC1-SpotUsage-NatGateway-Hours", "6"),
        product("EUC1-NatGateway-Hours", "8", operatingSystem="Windows"),
    )
    assert price_list.price("eu-central-1", ITEM) == "0.5"


def test_no_price_or_two_are_no_price(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch)
    with pytest.raises(UserError, match="has no price for AmazonEC2 NatGateway-Hours in eu-central-1"):
        price_list.price("eu-central-1", ITEM)
    asked(monkeypatch, product("NatGateway-Hours", "1"), product("EUC1-NatGateway-Hours", "2"))
    with pytest.raises(UserError, match=r"several prices \(1, 2\)"):
        price_list.price("eu-central-1", ITEM)

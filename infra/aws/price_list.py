"""AWS's price list: what one item costs in a region. Asked by `telemetry pin` only; needs AWS credentials."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.aws.api import as_user_error, client
from infra.errors import UserError

LINUX_ON_DEMAND = {"operatingSystem": "Linux", "preInstalledSw": "NA", "capacitystatus": "Used", "tenancy": "Shared"}
LIST_REGION = "us-east-1"
"""The price list's own endpoint; it answers for every region."""


def price(region: str, item: Mapping[str, Any], size: str = "") -> str:
    """USD a unit, on demand, in the first tier, as the list writes it. Raises UserError when the list has none, or
    several different ones."""
    usage = str(item["usage"]).format(type=size)
    found = {amount for product in _products(region, str(item["service"]), usage) for amount in _first_tier(product)}
    if len(found) != 1:
        what = "no price" if not found else f"several prices ({', '.join(sorted(found))})"
        raise UserError(
            f"AWS's price list has {what} for {item['service']} {usage} in {region}; see configs/aws_prices.yaml"
        )
    return found.pop()


def _products(region: str, service: str, usage: str) -> Iterator[dict[str, Any]]:
    pricing = client("pricing", LIST_REGION)
    filters = [
        {"Type": "EQUALS", "Field": "regionCode", "Value": region},
        {"Type": "CONTAINS", "Field": "usagetype", "Value": usage},
    ]
    with as_user_error(f"price of {service} {usage}"):
        pages = pricing.get_paginator("get_products").paginate(ServiceCode=service, Filters=filters)
        products = [json.loads(text) for page in pages for text in page["PriceList"]]
    for product in products:
        attributes = product["product"]["attributes"]
        kind = attributes.get("usagetype", "")
        # EUC1-NatGateway-Hours; us-east-1 has no prefix. EUC1-SpotUsage-Fargate-… is another item than Fargate-….
        if not re.fullmatch(rf"([A-Z0-9]+-)?{re.escape(usage)}", kind):
            continue
        # An instance's hour is listed for each operating system and tenancy.
        if all(attributes.get(key, value) == value for key, value in LINUX_ON_DEMAND.items()):
            yield product


def _first_tier(product: Mapping[str, Any]) -> Iterator[str]:
    for offer in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in offer["priceDimensions"].values():
            amount = dimension["pricePerUnit"].get("USD")
            if dimension.get("beginRange", "0") == "0" and amount and float(amount):
                yield amount

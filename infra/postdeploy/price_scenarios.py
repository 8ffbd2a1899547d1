"""Other price tables to lay beside the booked cost: configs/price_scenarios.yaml as the rows of telemetry.price_scenarios."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Annotated, Any

import pulumi
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from infra.endpoints import ClickHouseEndpoint
from infra.errors import UserError
from infra.paths import CONFIGS
from infra.postdeploy import prices
from infra.postdeploy.prices import ModelPrice, checked_prices, exact, read_list
from infra.postdeploy.reference_tables import ReferenceTable

PATH = CONFIGS / "price_scenarios.yaml"
TODAY = "list prices of now"
"""The name of model_prices.yaml itself, as it holds now: sql/macros/reprice.sql knows it."""
KINDS = ("input", "cached", "output", "reasoning")


class Scenario(BaseModel):
    """One table: all of model_prices.yaml, changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,40}$")
    """Of characters that need no escaping in a dashboard's list of values."""
    why: str = ""
    instead: dict[str, str] = {}
    factor: Annotated[Decimal, BeforeValidator(exact), Field(gt=0, le=1000)] = Decimal(1)
    prices: list[Any] = []

    def entries(self, known: list[ModelPrice], where: str) -> list[ModelPrice]:
        """The scenario's whole price table. Raises UserError."""
        own = checked_prices(self.prices, f"{where}, prices")
        replaced = {(price.provider, price.model) for price in own}
        others = [price for price in self._changed(known, where) if (price.provider, price.model) not in replaced]
        return [*own, *others]

    def _changed(self, known: list[ModelPrice], where: str) -> Iterator[ModelPrice]:
        for model, other in self.instead.items():
            found = [price for price in known if price.model == other]
            if not found:
                raise UserError(f"{where}: instead: {model}: {other} has no price in {prices.PATH.name}")
            yield from (self._times(price.model_copy(update={"model": model})) for price in found)
        yield from (self._times(price) for price in known if price.model not in self.instead)

    def _times(self, price: ModelPrice) -> ModelPrice:
        """With every price times the factor, to the six decimals that are stored."""
        fields = {f"{kind}_usd_per_million": getattr(price, f"{kind}_usd_per_million") for kind in KINDS}
        step = Decimal("0.000001")
        return price.model_copy(
            update={
                name: None if usd is None else (usd * self.factor).quantize(step, ROUND_HALF_EVEN)
                for name, usd in fields.items()
            }
        )


def scenarios(path: Path = PATH) -> list[Scenario]:
    """All scenarios. Raises UserError that names the entry."""
    found: list[Scenario] = []
    for number, entry in enumerate(read_list(path, "scenarios"), 1):
        try:
            found.append(Scenario.model_validate(entry))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "entry"
            raise UserError(f"{path.name}: scenario {number}, {field}: {first['msg']}") from None
    names = [scenario.name for scenario in found]
    if TODAY in names:
        raise UserError(f"{path.name}: {TODAY!r} is the name of {prices.PATH.name} itself; choose another")
    if len(set(names)) < len(names):
        raise UserError(f"{path.name}: two scenarios have the same name")
    return found


def scenario_rows(path: Path = PATH, base: Path = prices.PATH) -> dict[str, str]:
    """`scenario: provider/model from date` to the row. Raises UserError."""
    known = checked_prices(read_list(base, "prices"), base.name)
    return {
        f"{scenario.name}: {price.label}": price.row(scenario=scenario.name)
        for scenario in scenarios(path)
        for price in scenario.entries(known, f"{path.name}: {scenario.name}")
    }


class PriceScenarios(ReferenceTable, module="postdeploy", name="PriceScenarios"):
    """The stack's price scenarios."""

    def __init__(self, name: str, clickhouse: ClickHouseEndpoint, opts: pulumi.ResourceOptions | None = None):
        super().__init__(name, clickhouse, "price_scenarios", "", scenario_rows(), opts=opts)

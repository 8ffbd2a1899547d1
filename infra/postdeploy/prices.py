"""Model prices: configs/model_prices.yaml, checked, as the rows of telemetry.model_prices."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pulumi
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from infra.endpoints import ClickHouseEndpoint
from infra.errors import UserError
from infra.paths import CONFIGS
from infra.postdeploy.reference_tables import ReferenceTable

PATH = CONFIGS / "model_prices.yaml"
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2106, 2, 7, tzinfo=UTC)


def exact(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError("a price is written in quotes, so that no binary fraction stands between it and its decimals")
    return value


def _moment(value: Any) -> Any:
    if isinstance(value, datetime) or value is None:
        return value
    return datetime.fromisoformat(str(value))


Price = Annotated[
    Decimal,
    BeforeValidator(exact),
    Field(ge=0, max_digits=18, decimal_places=6, description="USD a million tokens"),
]
Moment = Annotated[datetime, BeforeValidator(_moment)]


class ModelPrice(BaseModel):
    """One model's price in a span of time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str = ""
    model: str = Field(min_length=1)
    valid_from: Moment = FIRST
    valid_to: Moment = LAST
    input_usd_per_million: Price
    cached_usd_per_million: Price | None = None
    output_usd_per_million: Price
    reasoning_usd_per_million: Price | None = None
    source: str = ""

    @property
    def label(self) -> str:
        """What a preview calls it."""
        return f"{self.provider or 'any'}/{self.model} from {_utc(self.valid_from):%Y-%m-%dT%H:%M:%SZ}"

    def row(self, **more: str) -> str:
        """The row as JSON: decimals as text, times in UTC. `more`: columns before these."""
        row: dict[str, Any] = {**more, "provider": self.provider, "model": self.model}
        row |= {key: _utc(getattr(self, key)).strftime("%Y-%m-%d %H:%M:%S") for key in ("valid_from", "valid_to")}
        for kind in ("input", "cached", "output", "reasoning"):
            price = getattr(self, f"{kind}_usd_per_million")
            row[f"{kind}_usd_per_million"] = None if price is None else f"{price:.6f}"
        return json.dumps({**row, "source": self.source}, ensure_ascii=False, separators=(",", ":"))


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def read_list(path: Path, key: str) -> list[Any]:
    """The list `key` of a YAML file. Raises UserError."""
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{path.name} is not valid YAML: {error}") from None
    entries = content.get(key) if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise UserError(f"{path.name}: a list `{key}:` is expected")
    return entries


def price_rows(path: Path = PATH) -> dict[str, str]:
    """`provider/model from date` to the row. Raises UserError that names the entry."""
    return {price.label: price.row() for price in checked_prices(read_list(path, "prices"), path.name)}


def checked_prices(entries: list[Any], where: str) -> list[ModelPrice]:
    """The entries as prices, none of which overlap. Raises UserError that begins with `where` and names the entry."""
    prices: dict[tuple[str, str], list[ModelPrice]] = {}
    for number, entry in enumerate(entries, start=1):
        label = entry.get("model", "") if isinstance(entry, dict) else ""
        try:
            price = ModelPrice.model_validate(entry)
        except ValidationError as error:
            raise UserError("\n".join(_line(where, number, label, item) for item in error.errors())) from None
        known = prices.setdefault((price.provider, price.model), [])
        if _utc(price.valid_from) > _utc(price.valid_to):
            raise UserError(f"{where}: entry {number} ({label}): valid_from is after valid_to")
        for other in known:
            if _utc(price.valid_from) <= _utc(other.valid_to) and _utc(other.valid_from) <= _utc(price.valid_to):
                raise UserError(
                    f"{where}: entry {number} ({label}): its time overlaps with another entry of this provider and "
                    "model; end the older one (valid_to) before the newer begins"
                )
        known.append(price)
    return [price for group in prices.values() for price in group]


def _line(file: str, number: int, label: str, item: Any) -> str:
    field = ".".join(str(part) for part in item["loc"]) or "entry"
    message = item["msg"].removeprefix("Value error, ")
    return f"{file}: entry {number} ({label or 'no model'}): {field}: {message} (found {item['input']!r})"


class ModelPrices(ReferenceTable, module="postdeploy", name="ModelPrices"):
    """The stack's model prices."""

    def __init__(self, name: str, clickhouse: ClickHouseEndpoint, opts: pulumi.ResourceOptions | None = None):
        super().__init__(name, clickhouse, "model_prices", "model_price", price_rows(), opts=opts)

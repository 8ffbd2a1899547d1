"""What the oracle reads: OTLP values as Python ones, the alias table and the model prices."""

from __future__ import annotations

import base64
import functools
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import yaml
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from infra.paths import CONFIGS

MILLION = 1_000_000
MOST_USD = Decimal(10) ** 6
"""Decimal(18, 12) holds less than this."""
MOST_TOKENS = 10**12


def plain(value: AnyValue) -> Any:
    """The Python value of an AnyValue; None when it is unset."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: plain(item.value) for item in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, kind)


@dataclass(frozen=True)
class Aliases:
    """Column → attribute names, in order of precedence."""

    text: dict[str, list[str]]
    numbers: dict[str, list[str]]
    words: dict[str, dict[str, str]]
    """Column → older values and what they are called today."""
    tool_arguments: list[str]


@functools.cache
def aliases() -> Aliases:
    """The alias table of configs/attributes.yaml."""
    table = yaml.safe_load((CONFIGS / "attributes.yaml").read_text())
    columns = table["columns"]
    names = {column: [item["name"] for item in entry["names"]] for column, entry in columns.items()}
    kinds = {column: entry["kind"] for column, entry in columns.items()}
    return Aliases(
        text={column: names[column] for column in names if kinds[column] in ("text", "list")},
        numbers={column: names[column] for column in names if kinds[column] in ("tokens", "usd")},
        words={column: entry["values"] for column, entry in columns.items() if "values" in entry},
        tool_arguments=[item["name"] for item in table["tool_call_arguments"]],
    )


def number(attributes: dict[str, Any], names: list[str], column: str, invalid: list[str], whole: bool = False) -> Any:
    """The first of `names` that is there, as int or Decimal; None, and noted in `invalid`, when it is no such number."""
    for name in names:
        value = attributes.get(name)
        if value is None:
            continue
        if value == "":
            return None
        parsed = _decimal(value)
        limit = MOST_TOKENS + 1 if whole else MOST_USD
        if parsed is None or not 0 <= parsed < limit or (whole and parsed != int(parsed)):
            invalid.append(column)
            return None
        return int(parsed) if whole else parsed
    return None


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    text = repr(value) if isinstance(value, float) else str(value)
    if not re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", text):
        return None
    return Decimal(text)


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens, for a span of time."""

    provider: str
    model: str
    valid_from: datetime
    valid_to: datetime
    """Inclusive."""
    input: Decimal
    cached: Decimal
    output: Decimal
    reasoning: Decimal


FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2106, 2, 7, tzinfo=UTC)


def _price(entry: dict[str, Any]) -> Price:
    def usd(kind: str, otherwise: str) -> Decimal:
        value = entry.get(f"{kind}_usd_per_million")
        return Decimal(entry[f"{otherwise}_usd_per_million"] if value is None else value)

    def moment(key: str, otherwise: datetime) -> datetime:
        value = entry.get(key)
        # YAML makes a date or a datetime of what looks like one.
        found = otherwise if value is None else datetime.fromisoformat(str(value))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found

    return Price(
        entry.get("provider", "").lower(),
        entry["model"].lower(),
        moment("valid_from", FIRST),
        moment("valid_to", LAST),
        usd("input", "input"),
        usd("cached", "input"),
        usd("output", "output"),
        usd("reasoning", "output"),
    )


DATED = re.compile(r"((-20\d\d-\d\d-\d\d|-20\d{6})(-v\d+:\d+)?|-v\d+:\d+|-latest|@[0-9a-z-]+)$")
"""What says which build of a model it is. Any other number may be another model."""


@dataclass(frozen=True)
class Prices:
    """All prices."""

    entries: tuple[Price, ...]

    @classmethod
    def load(cls) -> Prices:
        """Those of configs/model_prices.yaml."""
        return cls(
            tuple(_price(entry) for entry in yaml.safe_load((CONFIGS / "model_prices.yaml").read_text())["prices"])
        )

    def cost(self, provider: str, model: str, at: datetime, tokens: dict[str, int | None]) -> Decimal | None:
        """What the tokens cost, exactly; None when nothing is known of the tokens or of the model's price."""
        if tokens["tokens_prompt"] is None and tokens["tokens_completion"] is None:
            return None
        price = self._find(provider.lower(), model.lower(), at)
        if price is None:
            return None
        prompt, completion = tokens["tokens_prompt"] or 0, tokens["tokens_completion"] or 0
        cached = min(tokens["tokens_cached"] or 0, prompt)
        reasoning = min(tokens["tokens_reasoning"] or 0, completion)
        return (
            (prompt - cached) * price.input
            + cached * price.cached
            + (completion - reasoning) * price.output
            + reasoning * price.reasoning
        ) / MILLION

    def _find(self, provider: str, model: str, at: datetime) -> Price | None:
        """The provider's price before anybody's, the full name's before that without its date."""
        for name in (model, DATED.sub("", model)):
            for owner in (provider, ""):
                for price in self.entries:
                    if (price.provider, price.model) == (owner, name) and price.valid_from <= at <= price.valid_to:
                        return price
        return None

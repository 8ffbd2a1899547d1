"""What a month would cost, against what the last `up` estimated (the output estimatedMonthlyCost)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

OUTPUT = "estimatedMonthlyCost"
UNKNOWN, TOTAL = "unknown", "total"


@dataclass(frozen=True)
class Bill:
    """An estimate: USD a month, by part and in all; None where prices are missing."""

    total: Decimal | None
    parts: Mapping[str, Decimal]
    missing: str
    """What the estimate says of missing prices; ''."""


@dataclass(frozen=True)
class CostChange:
    """Before and after. `before`: None for a stack that is not up."""

    before: Bill | None
    after: Bill

    def delta(self) -> Decimal | None:
        """USD a month more (or less); None where one side is not known."""
        before, after = self.before, self.after.total
        return after - before.total if before and before.total is not None and after is not None else None

    def moved(self) -> list[tuple[str, Decimal, Decimal]]:
        """Parts that cost something else, the largest change first: part, before, after."""
        before = self.before.parts if self.before else {}
        names = {*before, *self.after.parts}
        both = [(name, before.get(name, Decimal(0)), self.after.parts.get(name, Decimal(0))) for name in names]
        return sorted((row for row in both if row[1] != row[2]), key=lambda row: (-abs(row[2] - row[1]), row[0]))


def cost_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> CostChange | None:
    """From a stack's outputs. None where it has no estimate (a local one), or it is not known before the `up`."""
    told = after.get(OUTPUT)
    if not isinstance(told, Mapping):
        return None
    was = before.get(OUTPUT)
    return CostChange(_bill(was) if isinstance(was, Mapping) else None, _bill(told))


def _bill(told: Mapping[str, Any]) -> Bill:
    parts = {str(name): usd for name, text in told.items() if name != TOTAL and (usd := _usd(text)) is not None}
    return Bill(_usd(told.get(TOTAL)), parts, str(told.get(UNKNOWN, "")))


def _usd(text: Any) -> Decimal | None:
    """`12.50 USD` as a number of two decimals; what is per million spans has four and is no part."""
    amount, _, unit = str(text).partition(" ")
    try:
        found = Decimal(amount)
    except InvalidOperation:
        return None
    return found if unit == "USD" and found.as_tuple().exponent == -2 else None

"""The audit's report: one row a check, with what was expected and what was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

Figure = int | Decimal


@dataclass(frozen=True)
class AuditRow:
    """One check."""

    name: str
    expected: Figure
    found: Figure
    difference: Figure
    """0: as expected. Else the sum of all deviations, so that two that cancel out still show."""
    detail: str = ""


@dataclass
class AuditReport:
    """All checks of one audit."""

    rows: list[AuditRow] = field(default_factory=list)
    repaired: int = 0
    """Minutes that were recomputed because they differed."""
    refused: int = 0
    """Minutes that differed and can't be recomputed."""
    unsettled: int = 0
    """Minutes left out because rows kept arriving for them while they were compared."""

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return all(not row.difference for row in self.rows)

    def as_dicts(self) -> list[dict[str, Any]]:
        """The rows for JSON: decimals as text."""
        return [
            {name: str(value) if isinstance(value, Decimal) else value for name, value in asdict(row).items()}
            for row in self.rows
        ]

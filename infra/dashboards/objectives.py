"""Service level objectives: configs/slos.yaml, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from infra.errors import UserError
from infra.paths import CONFIGS, SQL
from infra.templates import module

PATH = CONFIGS / "slos.yaml"
Share = Annotated[float, Field(gt=0, lt=1)]
"""Below 1: at 1 there is no error budget to burn."""


def _bound(ms: int) -> int:
    bounds = module(SQL / "macros" / "rollups.sql").latency_bounds
    if ms not in bounds:
        raise ValueError(f"has to be one of the histogram's bounds: {', '.join(map(str, bounds))}")
    return ms


class Objective(BaseModel):
    """What one service, or each, promises to one tenant, or each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    service: str = Field(default="*", min_length=1)
    tenant: str = Field(default="*", min_length=1)
    availability: Share
    latency_ms: Annotated[int, AfterValidator(_bound)]
    latency_share: Share
    window_days: int = Field(default=28, ge=1, le=90)
    least_requests: int = Field(default=20, ge=1)
    """A share of fewer says nothing."""

    def covers(self, other: Objective) -> bool:
        """Whether there is something that both are for."""
        return all("*" in pair or pair[0] == pair[1] for pair in self._pairs(other))

    def is_nearer(self, other: Objective) -> bool:
        """Whether it counts before the other where both are for the same."""
        return self.covers(other) and self._rank > other._rank

    @property
    def _rank(self) -> tuple[bool, bool]:
        return self.service != "*", self.tenant != "*"

    def _pairs(self, other: Objective) -> list[tuple[str, str]]:
        return [(self.service, other.service), (self.tenant, other.tenant)]


def objectives(path: Path = PATH) -> list[Objective]:
    """All objectives. Raises UserError that names the entry."""
    try:
        content: Any = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise UserError(f"configs/{path.name} is not valid YAML: {error}") from None
    entries = content.get("slos") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise UserError(f"configs/{path.name}: `slos` has to be a list with at least one objective")
    found: list[Objective] = []
    for number, entry in enumerate(entries, 1):
        try:
            found.append(Objective.model_validate(entry))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UserError(f"configs/{path.name}: objective {number}, {where or 'entry'}: {first['msg']}") from None
    names = [objective.name for objective in found]
    if len(set(names)) < len(names):
        raise UserError(f"configs/{path.name}: two objectives have the same name")
    return found

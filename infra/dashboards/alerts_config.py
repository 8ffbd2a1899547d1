"""The alerts' thresholds: configs/alerts.yaml, checked."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from infra.dashboards.objectives import Objective, objectives
from infra.errors import UserError
from infra.paths import CONFIGS

PATH = CONFIGS / "alerts.yaml"
Share = Annotated[float, Field(gt=0, lt=1)]
Window = Annotated[int, Field(ge=1, le=1440)]
Severity = Literal["critical", "warning"]
LONGEST_WINDOW = 14 * 1440
"""In minutes: what a burn rate may look back on. Rollups are kept far longer, but each evaluation reads it all."""


class Rule(BaseModel):
    """What every rule has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    for_minutes: int = Field(ge=0, le=1440)
    severity: Severity


class ErrorRate(Rule):
    above: Share
    window_minutes: Window
    least_spans: int = Field(ge=1)


class Latency(Rule):
    above: float = Field(gt=0, le=100)
    window_minutes: Window
    least_requests: int = Field(ge=1)


class CostSpike(Rule):
    above: float = Field(gt=1, le=1000)
    """A multiple: at 1 every second minute would be a spike."""
    window_minutes: int = Field(ge=5, le=720)
    least_usd_a_minute: float = Field(gt=0)
    history_hours: int = Field(ge=1, le=168)


class NoData(Rule):
    above: float = Field(ge=2, le=1440)
    """Minutes. A minute is summed while it lasts, and a span comes when it has ended."""
    steady_minutes: int = Field(ge=1, le=60)
    forget_hours: int = Field(ge=2, le=168)

    @model_validator(mode="after")
    def _outlasts(self) -> NoData:
        if self.above >= (self.forget_hours - 1) * 60:
            raise ValueError(
                f"above: {self.above:g} minutes, and a tenant is forgotten after {self.forget_hours} hours"
            )
        return self


class Unpriced(Rule):
    above: Share
    window_minutes: Window
    least_calls: int = Field(ge=1)


class Budget(Rule):
    above: float = Field(gt=0, lt=10)


class Burn(Rule):
    above: float = Field(gt=0, le=1000)
    long_minutes: int = Field(ge=5, le=LONGEST_WINDOW)
    short_minutes: int = Field(ge=1, le=LONGEST_WINDOW)
    least_requests: int = Field(ge=1)

    @model_validator(mode="after")
    def _windows(self) -> Burn:
        if self.short_minutes >= self.long_minutes:
            raise ValueError("short_minutes: has to be below long_minutes")
        return self


class Refused(Rule):
    above: Share
    window_minutes: Window
    least_records: int = Field(ge=1)


class Lag(Rule):
    above: float = Field(gt=0, le=86400)
    window_minutes: Window


class DeadLetters(Rule):
    above: int = Field(ge=0)
    window_minutes: Window


class Audit(Rule):
    above: int = Field(ge=0)


class DiskDays(Rule):
    below: float = Field(gt=0, le=365)


class DiskUsed(Rule):
    above: Share


class Canary(Rule):
    above: float = Field(ge=60, le=86400)


class Alerts(BaseModel):
    """All rules; None: not wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=lambda name: name.replace("_", "-"))

    error_rate: ErrorRate | None = None
    latency: Latency | None = None
    cost_spike: CostSpike | None = None
    no_data: NoData | None = None
    unpriced: Unpriced | None = None
    budget: Budget | None = None
    slo_burn: dict[Annotated[str, Field(pattern=r"^[a-z]{1,12}$")], Burn] = {}
    refused: Refused | None = None
    lag: Lag | None = None
    dead_letters: DeadLetters | None = None
    audit: Audit | None = None
    disk_days: DiskDays | None = None
    disk_used: DiskUsed | None = None
    canary: Canary | None = None


def alerts(path: Path = PATH, slos: Path | None = None) -> Alerts:
    """The rules' thresholds. Raises UserError that names the rule and the value."""
    promised = objectives(slos) if slos else objectives()
    try:
        content: Any = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{path.name} is not valid YAML: {error}") from None
    if not isinstance(content, dict) or set(content) != {"rules"} or not isinstance(content["rules"], dict):
        raise UserError(f"{path.name}: has to hold `rules`, by their names, and nothing else")
    try:
        found = Alerts.model_validate(content["rules"])
    except ValidationError as error:
        raise UserError("\n".join(_line(path, item) for item in error.errors())) from None
    for name, burn in found.slo_burn.items():
        _reachable(path, name, burn, promised)
    return found


@cache
def shipped() -> Alerts:
    """configs/alerts.yaml, read once."""
    return alerts()


def _line(path: Path, item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "value_error":
        return f"{path.name}: {where}: {item['msg'].removeprefix('Value error, ')}"
    if item["type"] == "extra_forbidden":
        return f"{path.name}: {where}: unknown; is it written as in the shipped file?"
    if item["type"] == "missing":
        return f"{path.name}: {where}: missing"
    return f"{path.name}: {where}: {item['msg']} (found {item['input']!r})"


def _reachable(path: Path, name: str, burn: Burn, promised: list[Objective]) -> None:
    """An objective of 90% burns at most 10 times as fast as it may: an alert above that would never fire."""
    for objective in promised:
        for what in ("availability", "latency_share"):
            greatest = 1 / (1 - getattr(objective, what))
            if burn.above >= greatest:
                raise UserError(
                    f"{path.name}: slo-burn.{name}.above: {burn.above:g} is never reached by the objective "
                    f"{objective.name!r} ({what} {getattr(objective, what):g}): even if every request fails, its budget "
                    f"burns {greatest:.3g} times as fast as it may"
                )
        if burn.long_minutes > objective.window_days * 1440:
            raise UserError(
                f"{path.name}: slo-burn.{name}.long_minutes: {burn.long_minutes} is longer than the window of the objective "
                f"{objective.name!r} ({objective.window_days} days)"
            )

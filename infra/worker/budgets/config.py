"""Budgets as data: configs/budgets.yaml, checked before anything is touched; every problem is named at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from infra.errors import UserError
from infra.paths import ROOT
from infra.settings import Settings
from infra.worker.budgets.window import MINUTE, Window, parse

MOST = 100
"""Each is a query every few seconds, and all of them travel in the worker's configuration."""
RAW_MINUTES = 15
"""An agent's repeated tool calls are counted from raw spans: over this at most."""
Measure = Literal["spend_usd", "model_calls", "tokens", "repeated_tool_calls"]
Scope = Literal["tenant", "workflow", "agent", "run"]
Amount = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


def _known(text: str) -> str:
    parse(text)
    return text


class Budget(BaseModel):
    """One entry."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.':-]{0,62}$")
    measure: Measure
    scope: Scope
    window: Annotated[str, AfterValidator(_known)]
    limit: Amount
    tenant: Name = "*"
    workflow: Name = "*"
    agent: Name = "*"
    env: Name = "*"
    warn: Annotated[float, Field(gt=0, lt=1)] | None = None
    again_at: list[Annotated[float, Field(gt=1, le=1000, allow_inf_nan=False)]] = Field(default=[], max_length=10)

    @model_validator(mode="after")
    def _possible(self) -> Budget:
        found = list(_contradictions(self))
        if found:
            raise ValueError("; ".join(found))
        return self

    @property
    def span(self) -> Window:
        """Over what it counts."""
        return parse(self.window)

    @property
    def thresholds(self) -> list[float]:
        """Shares of the limit at which somebody is told, ascending."""
        return sorted({*([self.warn] if self.warn else []), 1.0, *self.again_at})


def _contradictions(b: Budget) -> Iterator[str]:
    window = b.span
    if window.kind == "run" and b.scope != "run":
        yield f"window: run only goes with scope run, not with {b.scope}"
    if b.measure != "spend_usd" and b.limit != int(b.limit):
        yield f"limit: {b.limit:g} is no whole number of {b.measure}"
    if b.scope == "run" and b.agent != "*":
        yield "agent: a run's agent is known once it has ended; name its workflow, or take scope agent"
    if b.measure == "repeated_tool_calls" and b.scope in ("tenant", "workflow") and b.agent != "*":
        yield f"agent: repeated calls of one agent are counted with scope agent, not {b.scope}"
    raw = b.measure == "repeated_tool_calls" and b.scope == "agent"
    if raw and (window.kind != "rolling" or window.seconds > RAW_MINUTES * MINUTE):
        yield f"window: an agent's repeated tool calls are counted over 1m to {RAW_MINUTES}m"


def read_budgets(path: Path) -> list[Budget]:
    """The file's budgets. Raises UserError that names every problem with its entry."""
    try:
        content: Any = yaml.safe_load(path.read_text()) or {}
    except OSError as error:
        raise UserError(f"budgetsFile: {path} can't be read: {error.strerror}; name a file with `budgets:`") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path.name} is not valid YAML: {error}") from None
    entries = content.get("budgets") if isinstance(content, dict) and content.keys() <= {"budgets"} else None
    if not isinstance(entries, list):
        raise UserError(f"{path.name}: has to hold one key, `budgets`, with a list; `budgets: []` for none")
    if len(entries) > MOST:
        raise UserError(f'{path.name}: {len(entries)} budgets, {MOST} at most; use "*" instead of one entry for each')
    found, problems = [], []
    for number, entry in enumerate(entries, 1):
        name = entry.get("name") if isinstance(entry, dict) else None
        where = f"{path.name}: budget {number}" + (f" ({name})" if isinstance(name, str) else "")
        try:
            found.append(Budget.model_validate(entry))
        except ValidationError as error:
            problems += [f"{where}: {line}" for line in _lines(error)]
    names = [budget.name for budget in found]
    problems += [
        f"{path.name}: two budgets are called {name!r}" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    if problems:
        raise UserError("\n".join(problems))
    return found


def _lines(error: ValidationError) -> Iterator[str]:
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            yield f"{key}: unknown key"
        elif item["type"] == "value_error" and not key:
            yield from item["msg"].removeprefix("Value error, ").split("; ")
        else:
            message = item["msg"].removeprefix("Value error, ")
            given = "" if item["type"] == "missing" else f" (found {item['input']!r})"
            yield f"{key or 'entry'}: {message}{given}"


def budgets_of(settings: Settings) -> list[Budget]:
    """The stack's budgets: of the file that budgetsFile names, from the repository's root, or absolute. Raises UserError."""
    return read_budgets(ROOT / settings.budgetsFile)


def written(budgets: Sequence[Budget]) -> list[dict[str, Any]]:
    """As the worker's configuration holds them."""
    return [budget.model_dump(exclude_defaults=True) for budget in budgets]

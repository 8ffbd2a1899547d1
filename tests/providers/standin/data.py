"""The data files beside the package: what replaces, what refers to what, which values and names AWS takes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "data"


@cache
def table(name: str) -> dict[str, Any]:
    """One data file."""
    with (FOLDER / f"{name}.yaml").open() as file:
        return yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}


def row(name: str, type_: str) -> dict[str, Any]:
    """One type's line in a data file; empty when it has none."""
    return table(name).get(type_) or {}

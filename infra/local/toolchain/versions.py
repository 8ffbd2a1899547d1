"""Reads configs/versions.yaml and compares version numbers."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from infra.paths import CONFIGS

FILE = CONFIGS / "versions.yaml"


@cache
def _read() -> dict[str, Any]:
    import yaml

    return yaml.load(FILE.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def version_of(tool: str) -> str:
    """The version of `tool` that is built or installed."""
    return _read()["tools"][tool]["version"]


def minimum(program: str) -> str:
    """From this version on a `program` that is found on the machine counts."""
    return _read()["minimum"][program]


def numbers(version: str) -> tuple[int, ...]:
    """`v3.250.0-beta` as (3, 250, 0), for comparing."""
    found = re.search(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def at_least(version: str, wanted: str) -> bool:
    """Whether `version` is `wanted` or newer; trailing zeros don't matter."""
    width = max(len(numbers(version)), len(numbers(wanted)))
    left, right = ((*numbers(text), *[0] * width)[:width] for text in (version, wanted))
    return left >= right

"""Names that the provider makes when the program gives none, as pulumi-aws does: the resource's name and seven hex digits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.providers.standin import wire
from tests.providers.standin.data import row
from tests.providers.standin.schema import inputs_of

DEFAULTS = "__defaults"


def named_property(token: str) -> str | None:
    """The property that carries the name, when AWS needs one and the SDK leaves it optional."""
    found = row("names", token).get("property", "name")
    known = inputs_of(token) or {}
    return found if found in known and not known[found].required and row("names", token).get("auto", True) else None


def with_name(token: str, urn: str, olds: Mapping[str, Any], news: dict[str, Any], seed: bytes) -> dict[str, Any]:
    """The inputs with a name: the old one, if the provider made that; else a new one. `__defaults` says that it did."""
    inputs = {key: value for key, value in news.items() if key != DEFAULTS} | {DEFAULTS: []}
    name = named_property(token)
    prefix = f"{name}Prefix"
    if name is None or inputs.get(name) is not None or inputs.get(prefix) is not None:
        return inputs
    if name in olds.get(DEFAULTS, []) and olds.get(name):
        inputs[name] = olds[name]
    else:
        rule = row("names", token)
        base = rule.get("starts", "") + urn.rsplit("::", 1)[-1]
        if rule.get("lower"):
            base = base.lower()
        inputs[name] = f"{base}-{wire.digest(seed.hex() or urn)[:7]}"
    inputs[DEFAULTS] = [name]
    return inputs

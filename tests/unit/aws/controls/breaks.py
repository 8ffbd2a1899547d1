"""Ways to turn a stack that passes into one that does not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from policy.stack import Resource
from tests.unit.aws.controls.stacks import Declared

Break = Callable[[Declared], None]
Breaks = Mapping[str, list[Break]]
"""A control's id to changes that it must notice, each by itself, starting from prod."""


def put(type_: str, path: str, value: Any) -> Break:
    """Sets an input of the last resource of a type. A step of the path that ends with `!` holds JSON."""

    def change(stack: Declared) -> None:
        item, steps = stack.of(type_)[-1], path.split(".")
        item.refers.pop(steps[0].rstrip("!"), None)  # a value of its own comes from nothing else
        _put(item.inputs, steps, value)

    return change


def _put(where: Any, path: list[str], value: Any) -> None:
    step, rest = path[0], path[1:]
    key: Any = int(step) if step.lstrip("-").isdigit() else step.rstrip("!")
    if not rest:
        where[key] = value
    elif step.endswith("!"):
        inner = json.loads(where[key])
        _put(inner, rest, value)
        where[key] = json.dumps(inner)
    else:
        if isinstance(where, dict):
            where.setdefault(key, {})
        _put(where[key], rest, value)


def without(type_: str) -> Break:
    """Removes the last resource of a type."""
    return lambda stack: stack.resources.remove(stack.of(type_)[-1])


def adds(type_: str, to: Mapping[str, tuple[str, str]] | None = None, **inputs: Any) -> Break:
    """Adds a resource. `to`: input to the type and name of the resource that it comes from."""

    def change(stack: Declared) -> None:
        refers = {
            key: frozenset(item.urn for item in stack.of(other) if item.name == name)
            for key, (other, name) in (to or {}).items()
        }
        assert all(refers.values()), f"nothing of {to}"
        stack.resources.append(Resource(type_, "added", inputs, "urn:added", refers=refers))

    return change


def unprotect(type_: str) -> Break:
    """Lets the last resource of a type be deleted."""

    def change(stack: Declared) -> None:
        item = stack.of(type_)[-1]
        stack.resources[stack.resources.index(item)] = dataclasses.replace(item, protect=False)

    return change

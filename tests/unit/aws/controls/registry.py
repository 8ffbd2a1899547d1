"""The controls: each a check over every resource of its types, and changes that it must notice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.unit.aws.controls.stacks import Declared
from tests.unit.aws.mocks import Made

Check = Callable[[Declared], Iterator[str]]
Break = Callable[[Declared], None]


@dataclass(frozen=True)
class Control:
    """One control of AWS Security Hub's."""

    id: str
    types: tuple[str, ...]
    """What it looks at. A type of which no variant has any is one that must not be there."""
    check: Check
    """Yields what is wrong, a line each."""
    breaks: tuple[Break, ...]
    """Each turns a stack that passes into one that does not (starting from prod)."""


CONTROLS: dict[str, Control] = {}


def control(id_: str, *types: str, breaks: list[Break]) -> Callable[[Check], Check]:
    """Registers a check as the control `id_`."""

    def add(check: Check) -> Check:
        assert id_ not in CONTROLS and breaks, id_
        CONTROLS[id_] = Control(id_, types, check, tuple(breaks))
        return check

    return add


def put(type_: str, path: str, value: Any) -> Break:
    """Sets an input of the last resource of a type. A step of the path that ends with `!` holds JSON."""

    def change(stack: Declared) -> None:
        _put(stack.of(type_)[-1].inputs, path.split("."), value)

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
    return lambda stack: stack.made.remove(stack.of(type_)[-1])


def adds(type_: str, **inputs: Any) -> Break:
    """Adds a resource."""
    return lambda stack: stack.made.append(Made(type_, "added", inputs, "added-id"))


def missing(items: list[Made], wanted: Callable[[Made], bool], what: str) -> Iterator[str]:
    """A line for each resource that is not as wanted."""
    for item in items:
        if not wanted(item):
            yield f"{item.type.split(':')[-1]} {item.name}: {what}"


def at(item: Made, path: str) -> Any:
    """An input below another, None where there is none."""
    found: Any = item.inputs
    for step in path.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found

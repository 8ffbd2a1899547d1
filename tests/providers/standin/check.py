"""Inputs against the SDK's types: unknown names, wrong types, missing values, values that AWS doesn't know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.providers.standin import wire
from tests.providers.standin.data import row
from tests.providers.standin.schema import Kind, Property, inputs_of, members_of

Failures = list[tuple[str, str]]
INTERNAL = "__defaults"


def check_inputs(token: str, inputs: Mapping[str, Any]) -> Failures:
    """Everything that the SDK's types refuse. Unknown values pass."""
    known = inputs_of(token)
    if known is None:
        return [("", f"unrecognized resource type: {token} is in no installed SDK")]
    failures: Failures = []
    _members(token, known, inputs, "", failures)
    for path, allowed in row("enums", token).items():
        for found_path, value in wire.leaves(inputs):
            if found_path == path and value is not wire.UNKNOWN and value is not None and value not in allowed:
                failures.append((path, f"expected {path} to be one of {allowed}, got {value}"))
    return failures


def _members(
    token: str, known: Mapping[str, Property], values: Mapping[str, Any], path: str, failures: Failures
) -> None:
    for name, value in values.items():
        if name == INTERNAL:
            continue
        here = f"{path}.{name}" if path else name
        if name not in known:
            failures.append((here, f"An argument named {name!r} is not expected here. Invalid or unknown key"))
        elif value is not None:
            _value(token, known[name].kind, value, here, failures)
    for name, declared in known.items():
        if declared.required and values.get(name) is None:
            here = f"{path}.{name}" if path else name
            failures.append(
                (here, f"Missing required argument. The argument {name!r} is required, but no definition was found")
            )


def _value(token: str, kind: Kind, value: Any, path: str, failures: Failures) -> None:
    if value is wire.UNKNOWN or kind.kind == "any":
        return
    if kind.kind == "union":
        attempts: list[Failures] = []
        for option in kind.options:
            attempt: Failures = []
            _value(token, option, value, path, attempt)
            attempts.append(attempt)
        failures.extend(min(attempts, key=len))
    elif kind.kind == "list":
        if not isinstance(value, list):
            failures.append((path, f"expected a list, got {_name(value)}"))
            return
        assert kind.item is not None
        for index, item in enumerate(value):
            _value(token, kind.item, item, f"{path}[{index}]", failures)
    elif kind.kind == "map":
        if not isinstance(value, Mapping):
            failures.append((path, f"expected a map, got {_name(value)}"))
            return
        assert kind.item is not None
        for key, item in value.items():
            _value(token, kind.item, item, f"{path}.{key}", failures)
    elif kind.kind == "object":
        members = members_of(token, kind.name)
        if not isinstance(value, Mapping):
            failures.append((path, f"expected an object, got {_name(value)}"))
        elif members is not None:
            _members(token, members, value, path, failures)
    elif kind.kind == "asset":
        if not wire.is_asset(value):
            failures.append((path, f"expected an asset, got {_name(value)}"))
    elif not _fits(kind.kind, value):
        failures.append((path, f"expected {kind.kind}, got {_name(value)} {value!r}"))


def _fits(kind: str, value: Any) -> bool:
    if kind == "str":
        return isinstance(value, str)
    if kind == "bool":
        return isinstance(value, bool)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and (kind == "float" or isinstance(value, int))


def _name(value: Any) -> str:
    return "a map" if isinstance(value, Mapping) else "a list" if isinstance(value, list) else type(value).__name__

"""What a change does to a resource's inputs, value by value, as far as a person can read it at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pulumi.runtime.rpc import UNKNOWN

from infra.comment.declared import SECRET

LONGEST = 60
"""Characters of a value that is shown."""
MOST = 6
"""Values shown of one resource."""
META = ("__provider", "__defaults")
"""Inputs of dynamic resources and bridged providers that nobody wrote."""


def moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """A line a value that differs: `path: 40 → 60`; the path alone where a value is long, secret or a list of another length."""
    lines = [f"`{path}`{_sides(before, after)}" for path, before, after in _leaves(old, new)]
    rest = len(lines) - MOST
    return lines if rest <= 1 else [*lines[:MOST], f"and {rest} more"]


def _leaves(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if before == after:
        return
    if _tree(before) and _tree(after):
        for key in sorted({*before, *after} - {*META}):
            yield from _leaves(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif _items(before) and _items(after) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _leaves(one, other, f"{path}[{index}]")
    else:
        yield path, before, after


def _tree(value: Any) -> bool:
    return isinstance(value, Mapping) and SECRET not in value


def _items(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _sides(before: Any, after: Any) -> str:
    shown = _shown(before), _shown(after)
    return f": {shown[0]} → {shown[1]}" if shown[0] and shown[1] else ""


def _shown(value: Any) -> str:
    """'' where it is not for a line."""
    if value is None:
        return "nothing"
    if value == UNKNOWN:
        return "known afterwards"
    if isinstance(value, bool | int | float):
        return f"`{str(value).lower() if isinstance(value, bool) else format(value, 'g')}`"
    if isinstance(value, str) and value and len(value) <= LONGEST and "\n" not in value and "`" not in value:
        return "a secret" if value == "[secret]" else f"`{value}`"
    return ""

"""Which inputs differ between two property bags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.providers.standin import wire


def visible(values: Mapping[str, Any]) -> dict[str, Any]:
    """The properties without the provider's own notes."""
    return {key: value for key, value in values.items() if key != "__defaults"}


def changed_paths(olds: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
    """The dotted paths whose values differ; list items are not numbered."""
    found: list[str] = []
    _compare(visible(olds), visible(news), "", found)
    return sorted(set(found))


def _compare(old: Any, new: Any, path: str, found: list[str]) -> None:
    if isinstance(old, Mapping) and isinstance(new, Mapping) and not wire.is_asset(new):
        for key in sorted(old.keys() | new.keys()):
            _compare(old.get(key), new.get(key), f"{path}.{key}" if path else key, found)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for before, after in zip(old, new, strict=True):
            _compare(before, after, path, found)
    elif not wire.same(old, new):
        found.append(path)

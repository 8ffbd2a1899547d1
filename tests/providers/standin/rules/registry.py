"""How a service's rules are found: decorators by moment and resource type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tests.providers.standin.cloud import Cloud, Resource

Failures = list[tuple[str, str]]
ValueRule = Callable[[Mapping[str, Any], str], Failures]
MadeRule = Callable[[Cloud, Resource], None]
ChangeRule = Callable[[Cloud, Resource, Resource, list[str]], None]
EndRule = Callable[[Cloud, Resource, Mapping[str, Any]], None]


class Known(dict[str, Any]):
    """The inputs whose values are known; `given` has the others' names too."""

    given: frozenset[str] = frozenset()


def is_given(inputs: Mapping[str, Any], name: str) -> bool:
    """Whether the program gave it, known or not."""
    return name in inputs or name in getattr(inputs, "given", ())


VALUES: dict[str, list[ValueRule]] = {}
CREATED: dict[str, list[MadeRule]] = {}
MADE: dict[str, list[MadeRule]] = {}
CHANGED: dict[str, list[ChangeRule]] = {}
DELETED: dict[str, list[EndRule]] = {}
GONE: dict[str, list[EndRule]] = {}


Rule = TypeVar("Rule")


def _into(table: dict[str, list[Rule]], types: tuple[str, ...]) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        for type_ in types:
            table.setdefault(type_, []).append(rule)
        return rule

    return register


def values(*types: str) -> Callable[[ValueRule], ValueRule]:
    """A rule over the inputs alone: refused in the preview already, as pulumi-aws's own validation is."""
    return _into(VALUES, types)


def created(*types: str) -> Callable[[MadeRule], MadeRule]:
    """A rule over what else exists, asked before the thing is made and before it is changed."""
    return _into(CREATED, types)


def made(*types: str) -> Callable[[MadeRule], MadeRule]:
    """What happens besides, after a create or an update."""
    return _into(MADE, types)


def changed(*types: str) -> Callable[[ChangeRule], ChangeRule]:
    """A rule over a change: old, new, changed paths."""
    return _into(CHANGED, types)


def deleted(*types: str) -> Callable[[EndRule], EndRule]:
    """A rule before a deletion; the third argument is the engine's state, which may lag behind the cloud."""
    return _into(DELETED, types)


def gone(*types: str) -> Callable[[EndRule], EndRule]:
    """What happens besides, after a deletion."""
    return _into(GONE, types)

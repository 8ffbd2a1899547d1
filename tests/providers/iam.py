"""Whether IAM would let a role do something: its policies' statements as data, by IAM's own order (a Deny wins, else an Allow)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from policy.stack import listed

Statement = Mapping[str, Any]
TESTS: Mapping[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (lambda value, wanted: value == wanted, True),
    "StringNotEquals": (lambda value, wanted: value == wanted, False),
    "StringLike": (fnmatchcase, True),
    "StringNotLike": (fnmatchcase, False),
}
"""Operator to how a value is compared, and what it holds for. One that is not here is an error."""


def allows(statements: Iterable[Statement], action: str, resource: str, context: Mapping[str, str]) -> bool:
    """The decision on one request. `context`: the condition keys that it has (kms:EncryptionContext:stack, …)."""
    effects = {item["Effect"] for item in statements if applies(item, action, resource, context)}
    return "Allow" in effects and "Deny" not in effects


def applies(statement: Statement, action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Whether a statement speaks of the request."""
    return (
        any(fnmatchcase(action, pattern) for pattern in listed(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
        and all(
            _holds(operator, key, wanted, context)
            for operator, tested in statement.get("Condition", {}).items()
            for key, wanted in tested.items()
        )
    )


def _holds(operator: str, key: str, wanted: Any, context: Mapping[str, str]) -> bool:
    """A key that the request does not have fits nothing: so the negated operators hold."""
    same, positive = TESTS[operator]
    fits = key in context and any(same(context[key], one) for one in listed(wanted))
    return fits is positive

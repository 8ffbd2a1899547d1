"""Rules asked of a stack: what they find, without what is exempt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policy.facts import facts
from policy.given import Exemption
from policy.rules import Control
from policy.stack import Resource, Stack


def stack_with(resources: list[Resource]) -> Stack:
    """Some resources of one stack, with what is known of it. There is at least one."""
    known = facts(resources[0].urn)
    return Stack(known.prod, resources, known.ephemeral, known.monthly_usd)


def violations(
    controls: Sequence[Control], stack: Stack, exempt: Sequence[Exemption]
) -> Iterator[tuple[Control, Resource | None, str]]:
    """What is wrong, with whom (None: the stack)."""
    for control in controls:
        for item, what in control.check(stack):
            if item is None or not any(one.holds(control.id, item.name, stack_of(item.urn)) for one in exempt):
                yield control, item, what


def stack_of(urn: str) -> str:
    """The stack's name: urn:pulumi:STACK::PROJECT::TYPE::NAME."""
    return urn.split(":", 3)[2]

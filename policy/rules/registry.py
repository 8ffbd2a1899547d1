"""The rules: each a check that bears its control's id and belongs to one policy, the unit that Pulumi knows and levels are for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from policy.stack import Resource, Stack

Finding = tuple[Resource | None, str]
"""A resource (None: the stack) and what is wrong with it."""
Check = Callable[[Stack], Iterator[Finding]]


@dataclass(frozen=True)
class Policy:
    """Rules of one concern."""

    description: str
    whole: bool = False
    """Its rules need the whole stack, so they run once, at the end. Others are asked of each resource before it is made:
    an `up` makes nothing that they refuse."""


POLICIES: dict[str, Policy] = {
    "encryption-at-rest": Policy("What is stored is encrypted."),
    "encryption-in-transit": Policy("What travels is encrypted."),
    "no-public-access": Policy("Nobody outside gets in but through the load balancer."),
    "instance-metadata": Policy("Instances ask for a token before they tell their credentials (IMDSv2)."),
    "least-privilege": Policy("No role may do more than what is named."),
    "containers": Policy("Containers can do little, and hold no secret in the open."),
    "load-balancer": Policy("The load balancer refuses what is malformed and writes down who came."),
    "logs-and-alarms": Policy("Logs are kept and end; alarms reach somebody."),
    "protected": Policy("In prod what holds data can't be deleted by mistake."),
    "tags": Policy("Everything says whose it is."),
    "reviewed-kinds": Policy("Kinds of resources that have no rules yet are not made."),
    "buckets": Policy("Buckets are private, encrypted, tidied, and speak TLS.", whole=True),
    "network": Policy("The network lets in what was meant to get in.", whole=True),
    "access": Policy("What is there has an owner: instances SSM, secrets a reader, images an end.", whole=True),
    "ephemeral-ceilings": Policy("An ephemeral stack stays small and cheap.", whole=True),
}


@dataclass(frozen=True)
class Control:
    """One rule: a control of AWS Security Hub's by its id, or one of ours by a name."""

    id: str
    policy: str
    types: tuple[str, ...]
    """What it looks at; none: every type. A type that no stack has is one that must not be there."""
    check: Check


CONTROLS: dict[str, Control] = {}


def control(id_: str, policy: str, *types: str) -> Callable[[Check], Check]:
    """Registers a check as the control `id_`."""

    def add(check: Check) -> Check:
        assert id_ not in CONTROLS and policy in POLICIES, id_
        CONTROLS[id_] = Control(id_, policy, types, check)
        return check

    return add


def missing(items: list[Resource], wanted: Callable[[Resource], bool], what: str) -> Iterator[Finding]:
    """A finding for each resource that is not as wanted."""
    for item in items:
        if not wanted(item):
            yield item, what

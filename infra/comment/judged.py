"""What the policies say of a stack that is only declared: every rule of policy/, without an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.comment.recorder import Finding


def judged(declared: Mapping[str, Any]) -> list[Finding]:
    """Of what `infra.comment.declared` prints, of a stack on AWS. Raises UserError when the pack can't be loaded."""
    from policy.given import exemptions
    from policy.judge import stack_with, violations
    from policy.rules import CONTROLS
    from policy.stack import Resource

    found: list[Resource] = []
    for key, inputs in declared["resources"].items():
        type_, _, name = key.partition("::")
        told = declared["registered"][key]
        refers = {one: frozenset(urns) for one, urns in told["refers"].items()}
        found.append(Resource(type_, name, inputs, told["urn"], told["protect"], refers))
    stack = stack_with(found)
    return [
        Finding(control.policy, stack.prod, f"{control.id}: {what}", item.name if item else "")
        for control, item, what in violations([*CONTROLS.values()], stack, exemptions([*CONTROLS]))
    ]

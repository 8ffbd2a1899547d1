"""The rules as a policy pack: what Pulumi asks of each resource and, at the end, of the whole stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from policy.given import ceilings, exemptions
from policy.judge import stack_with, violations
from policy.rules import CONTROLS, POLICIES, Control
from policy.stack import UNKNOWN, Resource, Stack

NAME = "agent-telemetry"
LOOKED_AT = {type_ for control in CONTROLS.values() for type_ in control.types}


class Rules:
    """One engine command's rules.

    Pulumi hands over a resource's inputs when it is registered; at the end it hands over the outputs, in which AWS's own
    defaults look like somebody's wish, and what each input comes from. Rules look at inputs: they are kept until the end.
    """

    def __init__(self) -> None:
        self.exempt = exemptions(list(CONTROLS))
        self.resources: dict[str, Resource] = {}
        ceilings()  # wrong ones are told before anything is asked

    def policies(self) -> list[Policy]:
        """A policy deserialises everything that it is asked about: so there are few, each with many rules."""
        alone: list[Policy] = [
            ResourceValidationPolicy(name, policy.description, self._alone(name))
            for name, policy in POLICIES.items()
            if not policy.whole
        ]
        whole: list[Policy] = [
            StackValidationPolicy(name, policy.description, self._whole(name))
            for name, policy in POLICIES.items()
            if policy.whole
        ]
        keeps = ResourceValidationPolicy(alone[0].name, alone[0].description, [self._keep, self._alone(alone[0].name)])
        return [keeps, *alone[1:], *whole]

    def _keep(self, args: ResourceValidationArgs, _report: ReportViolation) -> None:
        """In the first policy alone: those after it are asked about the same resource."""
        if args.resource_type in LOOKED_AT:
            inputs = plain(args.props)
            self.resources[args.urn] = Resource(args.resource_type, args.name, inputs, args.urn, args.opts.protect)

    def _alone(self, policy: str) -> Any:
        controls = of_policy(policy)
        types = {type_ for control in controls for type_ in control.types}

        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            if args.resource_type in types:
                self._judge(controls, stack_with([self.resources[args.urn]]), report)

        return validate

    def _whole(self, policy: str) -> Any:
        controls = of_policy(policy)

        def validate(args: StackValidationArgs, report: ReportViolation) -> None:
            found: list[Resource] = []
            for item in args.resources:
                if kept := self.resources.get(item.urn):
                    links = {key: frozenset(one.urn for one in to) for key, to in item.property_dependencies.items()}
                    found.append(Resource(kept.type, kept.name, kept.inputs, kept.urn, kept.protect, links))
            if found:
                self._judge(controls, stack_with(found), report)

        return validate

    def _judge(self, controls: Sequence[Control], stack: Stack, report: ReportViolation) -> None:
        for control, item, what in violations(controls, stack, self.exempt):
            report(f"{control.id}: {what}", item.urn if item else None)


def of_policy(policy: str) -> list[Control]:
    """Its rules."""
    return [control for control in CONTROLS.values() if control.policy == policy]


def plain(value: Any) -> Any:
    """Inputs without Pulumi's proxy, which raises where a value is not known yet: UNKNOWN stands there."""
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_item(value, index) for index in range(len(value))]
    return value if isinstance(value, str | int | float | bool | None) else UNKNOWN  # files


def _item(value: Any, key: Any) -> Any:
    try:
        return plain(value[key])
    except UnknownValueError:
        return UNKNOWN


def run() -> None:
    """Serves the engine until it ends. Levels come from the command (policy/levels/); without them everything is mandatory."""
    PolicyPack(NAME, Rules().policies(), EnforcementLevel.MANDATORY)

"""What another stack lends this one: its output `shared`, read by a StackReference, in a preview too, and checked.

What does not fit is refused before anything is made: everything of the stack that borrows waits for the check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.config import PROJECT
from infra.errors import UserError
from infra.settings import Settings

OUTPUT = "shared"
OF_ITS_OWN = {
    "network": "it uses another stack's network itself; name that stack",
    "kafka": "its brokers are another's: share the stack that has them, or name them here too (kafkaMode existing)",
    "grafana": "its Grafana is another's: share the stack that has it, or name it here too (grafanaMode existing)",
}
"""Why a stack does not lend a part."""
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Lent:
    """The lender's output, checked: each value fails where the check does."""

    found: pulumi.Output[Values]

    def value(self, part: str, key: str) -> pulumi.Output[Any]:
        """One value of a part: value("network", "vpcId")."""
        return self.found.apply(lambda found: found[part][key])

    def zones(self, key: str, count: int) -> list[pulumi.Output[str]]:
        """Of the lender's first `count` zones: name, public or private (a subnet's id)."""
        zones = self.value("network", "zones")
        return [zones.apply(lambda found, index=index: found[index][key]) for index in range(count)]

    @property
    def fits(self) -> pulumi.Output[Sequence[pulumi.Resource]]:
        """What a resource depends on that must not be made unless everything fits."""
        return self.found.apply(lambda _: [])


def borrowed(settings: Settings) -> Lent | None:
    """What shareStack lends this stack; None without shareStack. Its values raise UserError where something does not fit."""
    if not settings.shareStack:
        return None
    # organization/… where the state is in a bucket or a folder; the account's own name on Pulumi Cloud.
    name = f"{pulumi.get_organization()}/{PROJECT}/{settings.shareStack}"
    reference = pulumi.StackReference("shareStack", stack_name=name)

    def fitting(lent: Values | None) -> Values:
        try:
            return check(settings, lent)
        except UserError as error:
            # Of a failed output the engine shows the whole way that it took, but for this kind.
            raise pulumi.RunError(str(error)) from None

    return Lent(reference.get_output(OUTPUT).apply(fitting))


def check(settings: Settings, lent: Values | None) -> Values:
    """What the lender says of itself. Raises UserError with everything for which this stack can't use it."""
    stack = settings.shareStack
    if not lent:
        raise UserError(
            f"shareStack: {stack} says nothing of what it lends (its output `{OUTPUT}`): it was never up, is down, or was "
            f"brought up before it could; run `telemetry up --name {stack}`, or empty shareStack for a stack that has all "
            "of its own"
        )
    if found := list(_problems(settings, lent)):
        raise UserError("\n".join(f"shareStack: {stack} can't be shared: {problem}" for problem in found))
    return lent


def _problems(s: Settings, lent: Values) -> Iterator[str]:
    for key, name in (("awsAccount", "account"), ("awsRegion", "region")):
        if getattr(s, key) != lent[name]:
            yield f"it is in {lent[name]}, and {key} is {getattr(s, key)}; set {key} to the same"
    missing = [part for part in s.shareParts if part not in lent]
    yield from (f"it lends no {part}: {OF_ITS_OWN[part]}, or leave {part} out of shareParts" for part in missing)
    for part, rule in (("network", _network), ("kafka", _kafka), ("grafana", _grafana)):
        if s.shares(part) and part not in missing:
            yield from rule(s, lent)


def _network(s: Settings, lent: Values) -> Iterator[str]:
    zones = len(lent["network"]["zones"])
    if s.networkZones > zones:
        yield f"it is in {zones} zones, and networkZones is {s.networkZones}; set networkZones to {zones} at most"


def _kafka(s: Settings, lent: Values) -> Iterator[str]:
    kafka = lent["kafka"]
    if s.kafkaAuth != kafka["auth"]:
        yield f"its brokers ask for {kafka['auth']}, and kafkaAuth is {s.kafkaAuth}; set kafkaAuth to {kafka['auth']}"
    if s.kafkaReplication > kafka["brokers"]:
        yield f"it has {kafka['brokers']:g} brokers, and kafkaReplication is {s.kafkaReplication}"
    if lent["protect"] and kafka["auth"] == "scram":
        yield (
            "it is protected, and its brokers know no access rules (kafkaAuth scram): each of this stack's users could "
            "read and write its topics; share a stack with kafkaAuth iam, or leave kafka out of shareParts"
        )


def _grafana(s: Settings, lent: Values) -> Iterator[str]:
    topic = lent["grafana"]["alertTopicArn"]
    if s.alertTopicArn not in ("", topic):
        yield f"its workspace may tell {topic or 'no SNS topic'}, and alertTopicArn is {s.alertTopicArn}; set the same, or none"

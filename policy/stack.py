"""What rules look at: a stack's resources with the inputs that their providers would get."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for what only the `up` will know (Pulumi's own mark, pulumi.runtime.rpc.UNKNOWN)."""


@dataclass(frozen=True)
class Resource:
    """One resource: camelCase inputs, and what they come from."""

    type: str
    name: str
    inputs: dict[str, Any]
    urn: str
    protect: bool = False
    """Whether Pulumi refuses to delete it."""
    refers: dict[str, frozenset[str]] = field(default_factory=dict)
    """Input to the URNs of what it is made of: known in a preview as well, where ids and ARNs are not. Rules that look at
    one resource alone don't have it."""


@dataclass
class Stack:
    """Resources of one stack, all of them or one."""

    prod: bool
    resources: list[Resource]
    ephemeral: bool = False
    """Whether it has an end (setting expiresAt)."""
    monthly_usd: Decimal | None = None
    """What it is estimated to cost a month (infra/aws/costs.py); None where prices are not known."""

    def of(self, *types: str) -> list[Resource]:
        """Everything of these types."""
        return [item for item in self.resources if item.type in types]

    def referring(self, type_: str, key: str) -> dict[str, Resource]:
        """A thing's URN to the resource of `type_` that says something about it by its input `key`."""
        return {urn: item for item in self.of(type_) for urn in item.refers.get(key, ())}

    def policies(self) -> Iterator[tuple[Resource, list[dict[str, Any]]]]:
        """Every policy document that is known, in any input of any resource, whatever the input's name."""
        for item in self.resources:
            for text in item.inputs.values():
                if isinstance(text, str) and text.startswith("{") and '"Statement"' in text:
                    yield item, json.loads(text)["Statement"]

    def containers(self) -> Iterator[tuple[Resource, dict[str, Any]]]:
        """Every container of every task definition that is known."""
        for task in self.of("aws:ecs/taskDefinition:TaskDefinition"):
            if known(task, "containerDefinitions"):
                for container in json.loads(task.inputs["containerDefinitions"]):
                    yield task, container


def known(item: Resource, key: str) -> bool:
    """Whether an input has a value that is known before the `up`."""
    return item.inputs.get(key) not in (None, UNKNOWN)


def at(item: Resource, path: str) -> Any:
    """An input below another, None where there is none."""
    found: Any = item.inputs
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def statements(item: Resource) -> list[dict[str, Any]]:
    """Those of a resource's policy document; none while it is not known."""
    return json.loads(item.inputs["policy"])["Statement"] if known(item, "policy") else []


def actions(statement: Mapping[str, Any]) -> list[str]:
    """A statement's actions."""
    return listed(statement.get("Action", []))


def listed(value: Any) -> list[Any]:
    """One or several, as IAM takes them."""
    return value if isinstance(value, list) else [value]

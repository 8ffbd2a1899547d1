"""What refers to what, by data/references.yaml: an input may name only what exists, and what is named can't be deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tests.providers.standin import wire
from tests.providers.standin.cloud import ACCOUNT, Cloud, Refused, Resource
from tests.providers.standin.data import table

AWS_OWNED = ("alias/aws/", f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/", "arn:aws:scheduler:::aws-sdk:")


@cache
def targets_for(type_: str, path: str) -> tuple[str, ...]:
    """What an input may name, as TYPE#attribute; a trailing ! protects the named thing."""
    rules = table("references")
    own = rules["types"].get(type_) or {}
    last = path.rsplit(".", 1)[-1]
    for key in (path, last):
        if key in own:
            return tuple(own[key] or ())
    return tuple(rules["by_name"].get(last, ()))


def named(type_: str, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Every input that names something: path, value, what it may name."""
    for path, value in wire.leaves({key: value for key, value in inputs.items() if key != "__defaults"}):
        if isinstance(value, str) and value and (targets := targets_for(type_, path)):
            yield path, value, targets


def resolve(cloud: Cloud, value: str, targets: tuple[str, ...]) -> Resource | None:
    """The thing that a value names."""
    rules = table("references")
    for target in targets:
        short, _, attribute = target.rstrip("!").partition("#")
        types = rules["targets"][short]
        if types and (found := cloud.find(types, attribute, value)):
            return found
    return None


def check(cloud: Cloud, type_: str, inputs: Mapping[str, Any]) -> None:
    """Refuses an input that names nothing."""
    for path, value, targets in named(type_, inputs):
        if resolve(cloud, value, targets) is not None or _aws_owns(cloud, value):
            continue
        short = targets[0].partition("#")[0]
        missing = table("references")["missing"]
        said = missing.get(short, f"ResourceNotFoundException: no {short} is {{value}}").format(value=value)
        code, _, words = said.partition(": ")
        raise Refused(code, f"{words} ({path})")


def _aws_owns(cloud: Cloud, value: str) -> bool:
    """Things that AWS brings along: managed policies, its own keys, a VPC's default parts, capacity providers."""
    managed = "arn:aws:iam::aws:policy/"
    if value.startswith(managed):
        return value.removeprefix(managed) in table("references")["managed_policies"]
    if value.startswith(AWS_OWNED) or value == "default" or value == "local":
        return True
    parts = ("defaultSecurityGroupId", "defaultRouteTableId", "mainRouteTableId", "defaultNetworkAclId")
    return any(value == vpc.get(part) for vpc in cloud.all("aws:ec2/vpc:Vpc") for part in parts)


def users_of(cloud: Cloud, resource: Resource) -> list[tuple[Resource, str]]:
    """What names this resource in a way that keeps it from being deleted."""
    rules = table("references")
    shorts = {short for short, types in rules["targets"].items() if resource.type in types}
    own = {"id": resource.id}
    for targets in [
        *rules["by_name"].values(),
        *(line for lines in rules["types"].values() for line in lines.values()),
    ]:
        for target in targets or []:
            short, _, attribute = target.rstrip("!").partition("#")
            if target.endswith("!") and short in shorts and attribute != "id" and resource.get(attribute):
                own[attribute] = resource.get(attribute)
    others = {(item.type, item.id): item for value in set(own.values()) for item in cloud.mentioning(value)}
    others.pop((resource.type, resource.id), None)
    found = []
    for other in others.values():
        for path, value, targets in named(other.type, other.inputs):
            for target in targets:
                short, _, attribute = target.rstrip("!").partition("#")
                if target.endswith("!") and short in shorts and value == own.get(attribute):
                    found.append((other, path))
    return found


def check_unused(cloud: Cloud, resource: Resource) -> None:
    """Refuses to delete what others still name."""
    users = users_of(cloud, resource)
    if not users:
        return
    rules = table("references")
    short = next(short for short, types in rules["targets"].items() if resource.type in types)
    by = ", ".join(f"{other.id} ({other.type.rsplit(':', 1)[-1]}.{path})" for other, path in users[:4])
    raise Refused(rules["refusals"].get(short, "DependencyViolation"), f"{resource.id} is in use by {by}")

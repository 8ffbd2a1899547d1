"""What a service refuses beyond types, references and names; a module a service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.providers.standin import wire
from tests.providers.standin.cloud import Cloud, Resource
from tests.providers.standin.rules import (
    certificates,
    compute,
    containers,
    grafana,
    identity,
    load_balancing,
    msk,
    network,
    operations,
    storage,
    tasks,
)
from tests.providers.standin.rules.registry import CHANGED, CREATED, DELETED, GONE, MADE, VALUES, Failures, Known

__all__ = [
    "after_create",
    "after_delete",
    "before_create",
    "before_delete",
    "before_update",
    "check_values",
    "one_at_a_time",
]
SERVICES = (
    certificates,
    compute,
    containers,
    grafana,
    identity,
    load_balancing,
    msk,
    network,
    operations,
    storage,
    tasks,
)


def check_values(type_: str, inputs: Mapping[str, Any], region: str) -> Failures:
    """Refusals by the inputs alone; values that are not known yet are not looked at."""
    known = Known({key: value for key, value in inputs.items() if value is not None and not wire.has_unknown(value)})
    known.given = frozenset(key for key, value in inputs.items() if value is not None)
    return [failure for rule in VALUES.get(type_, []) for failure in rule(known, region)]


def before_create(cloud: Cloud, resource: Resource) -> None:
    for rule in CREATED.get(resource.type, []):
        rule(cloud, resource)


def after_create(cloud: Cloud, resource: Resource) -> None:
    for rule in MADE.get(resource.type, []):
        rule(cloud, resource)


def before_update(cloud: Cloud, old: Resource, new: Resource, changed: list[str]) -> None:
    for rule in CREATED.get(new.type, []):
        rule(cloud, new)
    for change in CHANGED.get(new.type, []):
        change(cloud, old, new, changed)


def before_delete(cloud: Cloud, resource: Resource, state: Mapping[str, Any]) -> None:
    for rule in DELETED.get(resource.type, []):
        rule(cloud, resource, state)


def after_delete(cloud: Cloud, resource: Resource, state: Mapping[str, Any]) -> None:
    for rule in GONE.get(resource.type, []):
        rule(cloud, resource, state)


def one_at_a_time(type_: str, inputs: Mapping[str, Any]) -> str | None:
    """What an operation keeps busy: MSK does one at a time in a cluster."""
    return msk.busy_key(type_, inputs)

"""What a service refuses beyond types, references and names; a module a service, found by the resource type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.providers.standin.cloud import Cloud, Resource


def check_values(type_: str, inputs: Mapping[str, Any], region: str) -> list[tuple[str, str]]:
    return []


def before_create(cloud: Cloud, resource: Resource) -> None: ...


def after_create(cloud: Cloud, resource: Resource) -> None: ...


def before_update(cloud: Cloud, old: Resource, new: Resource, changed: list[str]) -> None: ...


def before_delete(cloud: Cloud, resource: Resource, state: Mapping[str, Any]) -> None: ...


def after_delete(cloud: Cloud, resource: Resource, state: Mapping[str, Any]) -> None: ...


def one_at_a_time(type_: str, inputs: Mapping[str, Any]) -> str | None:
    return None

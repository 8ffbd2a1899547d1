"""The aws stand-in without an engine: check, then create, update or delete, as the engine would ask it. For its own tests."""

from __future__ import annotations

from typing import Any

from tests.providers.standin.aws import Aws
from tests.providers.standin.cloud import Cloud, Refused, Resource
from tests.providers.standin.outputs import key_of

SEED = b"seed"


class Direct:
    """Each call raises Refused with everything that is wrong."""

    def __init__(self, cloud: Cloud, region: str = "eu-central-1") -> None:
        self.cloud = cloud
        self.provider = Aws(cloud)
        self.provider.configure({"region": region})
        self._state: dict[tuple[str, str], tuple[str, dict[str, Any], dict[str, Any]]] = {}

    def checked(self, type_: str, name: str, olds: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
        """The inputs with their defaults, or Refused."""
        inputs, failures = self.provider.check(
            type_, f"urn:pulumi:test::test::{type_}::{name}", olds, news, name.encode()
        )
        if failures:
            raise Refused("CheckFailed", "; ".join(f"{path}: {reason}" for path, reason in failures))
        return inputs

    def create(self, type_: str, name: str = "it", /, **news: Any) -> Resource:
        """Makes it."""
        inputs = self.checked(type_, name, {}, news)
        id_, state = self.provider.create(type_, f"urn:pulumi:test::test::{type_}::{name}", inputs)
        self._state[type_, name] = (id_, state, inputs)
        return self.resource(type_, name)

    def resource(self, type_: str, name: str = "it") -> Resource:
        """What the cloud has of it."""
        id_, state, _ = self._state[type_, name]
        found = self.cloud.get(type_, key_of(type_, id_, state))
        assert found is not None
        return found

    def update(self, type_: str, name: str = "it", /, **changes: Any) -> Resource:
        """Changes these inputs in place; None takes one away."""
        id_, state, olds = self._state[type_, name]
        news = {key: value for key, value in {**olds, **changes}.items() if value is not None and key != "__defaults"}
        inputs = self.checked(type_, name, olds, news)
        urn = f"urn:pulumi:test::test::{type_}::{name}"
        self._state[type_, name] = (id_, self.provider.update(type_, urn, id_, state, olds, inputs), inputs)
        return self.resource(type_, name)

    def delete(self, type_: str, name: str = "it") -> None:
        """Takes it away."""
        id_, state, _ = self._state[type_, name]
        self.provider.delete(type_, "", id_, state)

    def replaces(self, type_: str, name: str = "it", /, **changes: Any) -> list[str]:
        """The properties for which a change makes a new resource; empty: an update in place, or nothing."""
        _, state, olds = self._state[type_, name]
        news = self.checked(type_, name, olds, {**olds, **changes})
        return list(self.provider.diff(type_, "urn:pulumi:test::test::x::y", state, olds, news).replaces)
